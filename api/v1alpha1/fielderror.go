package v1alpha1

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// FieldError is one fault of a document. Decode and Validate join one for every fault they find.
// +kubebuilder:object:generate=false
type FieldError struct {
	// File is the document's name; empty when it came from elsewhere.
	File string
	// Path of the field, such as "spec.sources[2].branch"; empty when the whole document is meant.
	Path string
	// Message says what is wrong, without a final stop.
	Message string
	// Remedy says what to change; may be empty.
	Remedy string
}

// Error is "file: path: message (remedy)", without the parts that are empty.
func (e *FieldError) Error() string {
	s := e.Message
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.File != "" {
		s = e.File + ": " + s
	}
	if e.Remedy != "" {
		s += " (" + e.Remedy + ")"
	}
	return s
}

// FieldErrors returns the faults that err joins, in their order; other errors are left out.
func FieldErrors(err error) []*FieldError {
	switch e := err.(type) {
	case *FieldError:
		return []*FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*FieldError
		for _, inner := range e.Unwrap() {
			all = append(all, FieldErrors(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return FieldErrors(e.Unwrap())
	}
	return nil
}

// problems collects the faults of one document.
type problems []error

// add records a fault at a path.
func (p *problems) add(at *field.Path, format string, args ...any) {
	p.fix(at, "", format, args...)
}

// fix records a fault and its remedy.
func (p *problems) fix(at *field.Path, remedy, format string, args ...any) {
	e := &FieldError{Message: fmt.Sprintf(format, args...), Remedy: remedy}
	if at != nil {
		e.Path = at.String()
	}
	*p = append(*p, e)
}

// check records why a value is unfit; "" means that it is fit.
func (p *problems) check(at *field.Path, why string) {
	if why != "" {
		p.add(at, "%s", why)
	}
}

// err joins the faults; nil when there are none.
func (p problems) err() error { return errors.Join(p...) }
