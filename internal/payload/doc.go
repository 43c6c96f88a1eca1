// Package payload turns the payloads of messages from one form into another: Go values, msgpack, and
// [domain.Value], which is JSON with placeholders and attachments. It is for adapters.
//
// A []byte of a Go value is a binary: it travels as an attachment, not as text. Everything else follows
// encoding/json. What a program wants to pass on without looking at it stays a domain.Value.
package payload
