package repository

import (
	"regexp"
	"strings"
	"unicode"
)

// Trailer is one "Key: value" line at the end of a commit message.
type Trailer struct {
	Key, Value string
}

const maxSubject = 72

// Message builds a commit message: subject, body, trailers. Every part may hold text from outside: control characters become
// spaces, each part is one line, and the body, which comes before the last paragraph, can never be a trailer.
func Message(subject, body string, trailers []Trailer) string {
	var b strings.Builder
	b.WriteString(cut(line(subject), maxSubject))
	if text := line(body); text != "" {
		b.WriteString("\n\n" + text)
	}
	b.WriteString("\n\n")
	for _, t := range trailers {
		if trailerKey.MatchString(t.Key) {
			b.WriteString(t.Key + ": " + line(t.Value) + "\n")
		}
	}
	return b.String()
}

var trailerKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// ParseTrailers reads the trailers of a message that Message built: the "Key: value" lines of its last paragraph.
func ParseTrailers(message string) []Trailer {
	message = strings.TrimRight(message, "\n")
	at := strings.LastIndex(message, "\n\n")
	if at < 0 {
		return nil
	}
	var trailers []Trailer
	for _, l := range strings.Split(message[at+2:], "\n") {
		key, value, ok := strings.Cut(l, ": ")
		if !ok {
			key, ok = strings.CutSuffix(l, ":")
		}
		if !ok || !trailerKey.MatchString(key) {
			return nil // not a paragraph of trailers
		}
		trailers = append(trailers, Trailer{Key: key, Value: value})
	}
	return trailers
}

// line makes one printable line of text.
func line(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cut shortens to at most n characters.
func cut(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
