package secrets

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Value is plaintext. It never prints itself: fmt, encoding/json and log/slog give "[redacted]".
//
// The pointer keeps it so in an unexported field, where fmt cannot call methods: it prints an address.
type Value struct{ plain *[]byte }

// NewValue wraps plaintext; it does not copy it.
func NewValue(plain []byte) Value { return Value{plain: &plain} }

// Reveal returns the plaintext.
func (v Value) Reveal() []byte {
	if v.plain == nil {
		return nil
	}
	return *v.plain
}

// Format writes "[redacted]" whatever the verb: without it %d would print the bytes.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is "[redacted]".
func (Value) String() string { return redacted }

// GoString is "[redacted]".
func (Value) GoString() string { return redacted }

// MarshalJSON is "[redacted]".
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue is "[redacted]".
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }
