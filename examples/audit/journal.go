package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// record is a line of the file: a broadcast at its place in the log.
type record struct {
	Offset    domain.Offset `json:"offset"`
	Time      time.Time     `json:"time"`
	Node      domain.NodeID `json:"node"`
	Namespace string        `json:"namespace"`
	Rooms     []string      `json:"rooms"`
	// Packet is the event's name and arguments. Where it has binary, placeholders stand in for the attachments.
	Packet      json.RawMessage `json:"packet"`
	Attachments [][]byte        `json:"attachments,omitempty"`
}

// journal is a file of records, each once: adding one again does nothing. It belongs to one process at a time.
type journal struct {
	mu   sync.Mutex
	file *os.File
	size int64                      // up to the end of the last whole line
	seen map[domain.Offset]struct{} // of the records in the file
}

// openJournal opens or makes a file, and cuts off a last line that a crash left unfinished: it was not acknowledged,
// so it comes again.
func openJournal(path string) (_ *journal, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("read the journal %s: %w", path, err), file.Close())
		}
	}()
	j := &journal{file: file, seen: make(map[domain.Offset]struct{})}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("the line at byte %d is no record: %w", j.size, err)
		}
		j.seen[r.Offset] = struct{}{}
		j.size += int64(len(line))
	}
	return j, file.Truncate(j.size)
}

// add stores a record through to the disk, and reports whether it is new.
func (j *journal) add(r *record) (bool, error) {
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(r); err != nil {
		return false, fmt.Errorf("write the record of %s: %w", r.Offset, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.seen[r.Offset]; ok {
		return false, nil
	}
	// At a fixed place: what a failed write left behind is overwritten by the next.
	if _, err := j.file.WriteAt(line.Bytes(), j.size); err != nil {
		return false, fmt.Errorf("write the record of %s: %w", r.Offset, err)
	}
	if err := j.file.Sync(); err != nil {
		return false, fmt.Errorf("write the record of %s: %w", r.Offset, err)
	}
	j.size += int64(line.Len())
	j.seen[r.Offset] = struct{}{}
	return true, nil
}

func (j *journal) Close() error { return j.file.Close() }
