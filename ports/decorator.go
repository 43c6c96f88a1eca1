package ports

// Decorator is what wraps an implementation of a port: Unwrap returns what is inside.
type Decorator interface {
	Unwrap() any
}

// As finds an optional ability T in a port's implementation, looking through decorators from the outside in. This is
// the only way in which abilities are found, so a decorator need not repeat those that it does not change.
func As[T any](implementation any) (T, bool) {
	for implementation != nil {
		if ability, ok := implementation.(T); ok {
			return ability, true
		}
		d, ok := implementation.(Decorator)
		if !ok {
			break
		}
		implementation = d.Unwrap()
	}
	var none T
	return none, false
}
