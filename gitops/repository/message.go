package repository

import (
	"regexp"
	"strings"
	"unicode"
)

// Trailer is one "Key: value" line of the last paragraph of a commit message.
type Trailer struct {
	Key, Value string
}

const (
	maxSubject = 72
	maxBody    = 4096
	maxValue   = 1024
)

var (
	trailerKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)
	// suspicious is a body line that Git could take for a trailer, a divider or a comment.
	suspicious = regexp.MustCompile(`^\s|:|^#|^---|^\(cherry picked from`)
)

// Message makes a commit message: subject of at most 72 characters, body, trailers. All three may come from outside.
// No text makes a line of its own but the body's, and no body line can be read as a trailer: such lines are indented.
// A trailer with an invalid key is dropped.
func Message(subject, body string, trailers []Trailer) string {
	subject = truncate(line(subject), maxSubject)
	if subject == "" {
		subject = "(no subject)"
	}
	paragraphs := []string{subject}
	if text := quoteBody(truncate(body, maxBody)); text != "" {
		paragraphs = append(paragraphs, text)
	}
	if block := FormatTrailers(trailers); block != "" {
		paragraphs = append(paragraphs, strings.TrimSuffix(block, "\n"))
	}
	return strings.Join(paragraphs, "\n\n") + "\n"
}

// FormatTrailers writes trailers one a line, with every value on a single line.
func FormatTrailers(trailers []Trailer) string {
	var b strings.Builder
	for _, t := range trailers {
		if trailerKey.MatchString(t.Key) {
			b.WriteString(strings.TrimRight(t.Key+": "+truncate(line(t.Value), maxValue), " ") + "\n")
		}
	}
	return b.String()
}

// ParseTrailers reads the trailers of a commit message: its last paragraph, if that is not also its first and holds
// nothing else.
func ParseTrailers(message string) []Trailer {
	message = strings.Trim(strings.ReplaceAll(message, "\r\n", "\n"), "\n")
	i := strings.LastIndex(message, "\n\n")
	if i < 0 {
		return nil
	}
	var trailers []Trailer
	for text := range strings.SplitSeq(message[i+2:], "\n") {
		key, value, ok := strings.Cut(text, ":")
		if !ok || !trailerKey.MatchString(key) || value != "" && value[0] != ' ' {
			return nil
		}
		trailers = append(trailers, Trailer{Key: key, Value: strings.TrimSpace(value)})
	}
	return trailers
}

func quoteBody(body string) string {
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	var lines []string
	blank := true
	for raw := range strings.SplitSeq(body, "\n") {
		text := line(raw)
		switch {
		case text == "" && blank:
			continue
		case text != "" && (suspicious.MatchString(raw) || suspicious.MatchString(text)):
			text = "    " + text
		}
		lines, blank = append(lines, text), text == ""
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// line replaces control characters and every line separator by spaces, drops what is invisible, and folds spaces.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.IsSpace(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}

func truncate(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return strings.TrimRight(string(runes[:most-1]), " ") + "…"
}
