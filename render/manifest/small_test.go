package manifest

import (
	"strings"
	"testing"
)

func TestSmall(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want bool
	}{
		"a manifest":     {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n    text\n", true},
		"an alias":       {"a: &a 1\nb: *a\n", false},
		"nested blocks":  {nested("\n", " ", "a:", 120), false},
		"nested in line": {strings.Repeat("- ", 120) + "a", false},
		"nested flow":    {strings.Repeat("[", 120) + strings.Repeat("]", 120), false},
		"UTF-16":         {"\xff\xfea\x00:\x00", false},
		"hidden lines":   {nested("\r", " ", "a:", 120), false},
		"other breaks":   {nested("\u2028", " ", "a:", 120), false},
		"many values":    {strings.Repeat("- a\n", 100_000), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := small([]byte(tt.text)); got != tt.want {
				t.Errorf("small() = %v, want %v", got, tt.want)
			}
		})
	}
}

func nested(lineBreak, indent, line string, depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(indent, i) + line + lineBreak)
	}
	return b.String()
}

// FuzzSmall holds that what looks small is within the limits once it is parsed.
func FuzzSmall(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- a: {b: [c, d]}\n"))
	f.Add([]byte("? - a\n: - ? b\n  : c\n"))
	f.Add([]byte("a:\n- b:\n  - c:\n    - d: [{e: f}]\n--- |\n text\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !small(data) {
			return
		}
		if err := CheckYAML("a.yaml", data); err != nil && strings.Contains(err.Error(), "more than") {
			t.Errorf("looks small, but %v:\n%q", err, data)
		}
	})
}
