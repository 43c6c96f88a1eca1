package redisstream

import (
	"context"
	"fmt"
	"strings"
)

// checkLane asks Redis whether the user may use the lane for requests and answers, if there is one. It uses channels
// on which nobody listens, and none that a peer counts.
func (t *Transport) checkLane(ctx context.Context) error {
	if t.pubSub == nil {
		return nil
	}
	publish, subscribe, count := "publish", "subscribe", "numsub"
	if t.pubSub.sharded {
		publish, subscribe, count = "spublish", "ssubscribe", "shardnumsub"
	}
	channel := t.config.ChannelPrefix + "#rights#"
	var missing []string
	look := func(command string, err error) error {
		if isRefusal(err) {
			missing = append(missing, strings.ToUpper(command))
			return nil
		}
		return explain(err, "check Redis")
	}
	if err := look(publish, t.servers.shared.Do(ctx, publish, channel, "").Err()); err != nil {
		return err
	}
	if err := look("pubsub "+count, t.servers.shared.Do(ctx, "pubsub", count, channel).Err()); err != nil {
		return err
	}
	probe, err := newEar(ctx, &listener{channel: t.pubSub}, []string{channel + "listen#"})
	if err == nil {
		probe.close()
	}
	if err := look(subscribe, err); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("the Redis user lacks rights to %s: give it (ACL SETUSER) the channels &%s#* and these "+
			"commands, or use no PUB/SUB", strings.Join(missing, ", "), t.config.ChannelPrefix)
	}
	return nil
}
