package socketio

import (
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// storedData is what the application keeps with a socket: as it was given, and as others see it.
type storedData struct {
	given   any
	encoded domain.Value
}

// DataHolder is what has data: a *Socket or a RemoteSocket.
type DataHolder interface {
	storedData() storedData
}

// SetData keeps a value with the socket, in the place of the one before; [Data] returns it, here and for the
// RemoteSockets of other nodes. It is encoded now, as encoding/json does: what is changed in it later is not seen by
// others, so set a changed copy. With recovery on it is stored within about 50 ms; see Socket.SaveSession. The error says that it cannot be encoded; the value before then stays.
func (s *Socket) SetData(v any) error {
	encoded, err := payload.Marshal(v)
	if err != nil {
		return err
	}
	s.data.Store(&storedData{given: v, encoded: encoded})
	if o := s.ns.server.observed.by(); o != nil && s.Connected() {
		o.DataChanged(s, encoded)
	}
	if !s.ns.recovers() {
		return nil
	}
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	if session := s.session(); session != nil {
		session.SetData(encoded)
	}
	return nil
}

func (s *Socket) storedData() storedData {
	if d := s.data.Load(); d != nil {
		return *d
	}
	return storedData{}
}

// Data returns what SetData has kept with a socket. On the socket's own node a T that was set is returned as it was;
// otherwise the value is decoded into a T. ErrNoData says that nothing was set, another error that it is no T.
func Data[T any](of DataHolder) (T, error) {
	d := of.storedData()
	if t, ok := d.given.(T); ok {
		return t, nil
	}
	var t T
	if d.encoded.IsZero() {
		return t, ErrNoData
	}
	err := payload.Unmarshal(d.encoded, &t)
	return t, err
}
