package manifest

import "strings"

// Problem is a fault in somebody's input: where it is, what is wrong and what to do about it. It is the error
// that rendering returns for bad input, one or several joined by errors.Join, and crosses the process boundary as JSON.
type Problem struct {
	// File relative to its source's root, or the document ("project.yaml").
	File string `json:"file,omitempty"`
	// Subject is the Compose service, the object as "Kind/name", or the chart.
	Subject string `json:"subject,omitempty"`
	// Field is the path of the field, such as "services.web.volumes[0].source".
	Field string `json:"field,omitempty"`
	// Message says what is wrong, without a final stop.
	Message string `json:"message"`
	// Remedy says what to change, as an imperative sentence without a final stop.
	Remedy string `json:"remedy,omitempty"`
}

// Error is "file: subject: field: message (remedy)", without the parts that are empty.
func (p *Problem) Error() string {
	var parts []string
	for _, s := range []string{p.File, p.Subject, p.Field, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	s := strings.Join(parts, ": ")
	if p.Remedy != "" {
		s += " (" + p.Remedy + ")"
	}
	return s
}
