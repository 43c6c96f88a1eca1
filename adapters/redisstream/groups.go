package redisstream

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// GroupHook is a hook for the client of watermill-redisstream's subscriber, which hands the values of an entry to its
// unmarshaller, but not the entry's id: the hook puts the id among the values, so that [Marshaller] can hand it over as
// the metadata [MetadataOffset]. It looks at what is read by XREAD and XREADGROUP and claimed by XCLAIM, and does
// nothing else:
//
//	client.AddHook(redisstream.GroupHook{})
//
// Give that subscriber a client of its own: its Close closes the client.
type GroupHook struct{}

var _ redis.Hook = GroupHook{}

// DialHook changes nothing.
func (GroupHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook adds the ids to what a command has read.
func (GroupHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		switch read := command.(type) {
		case *redis.XStreamSliceCmd:
			for _, stream := range read.Val() {
				addIDs(stream.Messages)
			}
		case *redis.XMessageSliceCmd:
			addIDs(read.Val())
		}
		return err
	}
}

// ProcessPipelineHook changes nothing: the subscriber sends no pipelines.
func (GroupHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func addIDs(entries []redis.XMessage) {
	for i := range entries {
		if entries[i].Values != nil { // nil where the entry was deleted
			entries[i].Values[MetadataOffset] = entries[i].ID
		}
	}
}
