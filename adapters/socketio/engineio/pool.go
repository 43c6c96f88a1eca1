package engineio

import "sync"

// pool is a sync.Pool of pointers to zero values of T.
type pool[T any] struct{ values sync.Pool }

// get returns a value that was put, or a new one.
func (p *pool[T]) get() *T {
	if v, ok := p.values.Get().(*T); ok {
		return v
	}
	return new(T)
}

// put gives a value back.
func (p *pool[T]) put(v *T) { p.values.Put(v) }
