package manifest

import (
	"strings"
	"unicode"
)

// Markdown is the report as translation.md; empty when there is nothing to say. Text from the input cannot add links,
// mentions, HTML, cells or lines to it.
func (r Report) Markdown() string {
	if len(r.Findings) == 0 {
		return ""
	}
	sorted := Report{Findings: append([]Finding(nil), r.Findings...)}
	sorted.Sort()
	var b strings.Builder
	b.WriteString("# Translation\n\nWhat was approximated, ignored or refused.\n\n| file | subject | key | verdict | reason |\n|---|---|---|---|---|\n")
	for _, f := range sorted.Findings {
		b.WriteString("|")
		for _, cell := range []string{f.File, f.Subject, f.Key, string(f.Verdict), f.Reason} {
			b.WriteString(" " + escapeMarkdown(cell) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// escapeMarkdown makes text plain. Characters with a meaning become references, which no Markdown dialect reads as
// markup; "." and ":" only where they would make a bare address a link.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case unicode.Is(unicode.Cf, r): // direction overrides and the like
		case strings.ContainsRune("&<>", r):
			b.WriteString(map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;"}[r])
		case r == '@':
			b.WriteString("@\u200b")
		case r == '#':
			b.WriteString("\\#\u200b")
		case strings.ContainsRune("\\`*_[]()!|~$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	s = strings.ReplaceAll(b.String(), "://", ":\u200b//")
	return strings.NewReplacer("www.", "www\u200b.", "WWW.", "WWW\u200b.").Replace(s)
}
