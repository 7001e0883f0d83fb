package compose

import (
	"regexp"
	"slices"
	"strings"
)

// secretName is the name of a variable, a flag or a key whose value is secret.
var secretName = regexp.MustCompile(`(?i)(PASSWORD|PASSWD|PASSPHRASE|PASSCODE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|ENCRYPTION_?KEY|ERLANG_COOKIE|` +
	`(^|_)(PASS|PWD|PW|PSK|SALT|DSN|CREDS)\d*$|_AUTH\d*$|(^|_)PASS_|PASS$|KEYS?\d*$)`)

// value of a flag or a setting: in quotes, or up to what ends a word.
const (
	value     = `(?:"([^"\x00]+)"|'([^'\x00]+)'|([^\s\x00"';|&)<>-][^\s\x00"';|&)<>]*))`
	wordStart = `(?:^|[/\s\x00"'])`
	arguments = `[\s\x00](?:[^|;&]*?[\s\x00])?`
)

// secretURL is scheme://user:secret@host, in which the user may be missing.
var secretURL = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^/\s:@\x00"']*:([^/\s@\x00"']+)@`)

// secretPatterns find secrets in texts: command lines, connection strings, configuration. The last group that matches is the
// secret; named says that the first is a name, which must be secret too. Words of an argument list are joined by NUL.
var secretPatterns = []struct {
	pattern *regexp.Regexp
	named   bool
}{
	{secretURL, false},
	// https://token@host
	{regexp.MustCompile(`(?i)https?://([a-z0-9_-]{20,})@`), false},
	// user:secret@tcp(host:3306)/db
	{regexp.MustCompile(`[\w.-]+:([^\s:@/\x00"']+)@(?:tcp|tcp6|unix)?\(`), false},
	// --requirepass secret, --password=secret
	{regexp.MustCompile(`(?i)(?:^|[\s\x00"'])--?([a-z][a-z0-9._-]*)(?:=|[\s\x00]+)` + value), true},
	// NAME=secret; of an ADO connection string, a query, an assignment, a property
	{regexp.MustCompile(`(?:^|[\s\x00;?&'"]|-D|-P)([A-Za-z_][A-Za-z0-9_.-]*)[ ]?=[ ]?` + value), true},
	// mysqladmin ping -psecret
	{regexp.MustCompile(wordStart + `(?:mysql|mariadb)[a-z_-]*` + arguments + `-p` + value), false},
	// redis-cli -a secret, sqlcmd -P secret, mongosh -p secret
	{regexp.MustCompile(wordStart + `(?:redis-cli|valkey-cli)` + arguments + `-a[\s\x00]+` + value), false},
	{regexp.MustCompile(wordStart + `sqlcmd` + arguments + `-P[\s\x00]*` + value), false},
	{regexp.MustCompile(wordStart + `mongo(?:sh|dump|restore)?` + arguments + `-p[\s\x00]+` + value), false},
	{regexp.MustCompile(wordStart + `sshpass` + arguments + `-p[\s\x00]*` + value), false},
	{regexp.MustCompile(wordStart + `mc[\s\x00]+(?:alias[\s\x00]+set|config[\s\x00]+host[\s\x00]+add)(?:[\s\x00]+[^\s\x00;&|]+){3}[\s\x00]+` + value), false},
	{regexp.MustCompile(wordStart + `rabbitmqctl` + arguments + `(?:add_user|change_password)[\s\x00]+[^\s\x00;&|]+[\s\x00]+` + value), false},
	{regexp.MustCompile(wordStart + `htpasswd[\s\x00]+-[A-Za-z]*b[A-Za-z]*(?:[\s\x00]+[^\s\x00;&|]+){1,2}?[\s\x00]+` + value + `[\s\x00]*(?:$|[;&|>"'])`), false},
	// stats auth user:secret of HAProxy
	{regexp.MustCompile(`stats\s+auth\s+[^\s:]+:(\S+)`), false},
	// curl -u user:secret, --auth user:secret
	{regexp.MustCompile(`(?i)(?:^|[\s\x00"'])--(?:basic-?|http-?)?auth(?:=|[\s\x00]+)["']?[^\s:\x00"'/]+:([^\s\x00"'/]+)`), false},
	{regexp.MustCompile(wordStart + `curl` + arguments + `(?:-u|--user)[=\s\x00]*["']?[^\s:\x00"']+:([^\s\x00"']+)`), false},
	// Authorization: Bearer secret
	{regexp.MustCompile(`(?i)authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+([^\s\x00"']+)`), false},
	{regexp.MustCompile(`^(?:Bearer|Basic) ([A-Za-z0-9+/=._-]{8,})$`), false},
	// tokens that say by their form what they are
	{regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])(gh[opusr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{8,}|` +
		`sk-[A-Za-z0-9_-]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{20,}|dckr_pat_[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|` +
		`SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})`), false},
}

// secretLine finds settings in configuration ("password: secret" of YAML, JSON and INI), privateKey keys of TLS and SSH.
var (
	secretLine = regexp.MustCompile(`(?m)["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\]?[ \t]*[:=]>?[ \t]*["']?([^\s"',;{}\[\]]+)`)
	privateKey = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]+)-----END`)
)

// looksSecret reports whether a variable's value must not stand in a manifest.
func looksSecret(name, value string) bool {
	if value == "" || strings.HasPrefix(value, "/run/secrets/") {
		return false
	}
	// A path to a secret (POSTGRES_PASSWORD_FILE) is none.
	if isSecretName(name) && (!strings.HasSuffix(strings.ToUpper(name), "_FILE") || !strings.HasPrefix(value, "/")) {
		return true
	}
	return len(valueSpans(value)) > 0 || strings.Contains(value, "PRIVATE KEY-----")
}

// valueSpans finds the secrets in a variable's value, which may be a whole file of settings.
func valueSpans(value string) []span {
	if strings.ContainsAny(value, "\n{") {
		return fileSpans(value)
	}
	return patternSpans(value, isReference)
}

func isSecretName(name string) bool {
	return secretName.MatchString(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

// isPlaceholder tells what stands where a shell puts a secret in later, and what no secret is.
func isPlaceholder(s string) bool { return strings.ContainsAny(s, "$`") || isReference(s) }

// shellReference is what refers to a variable; a dollar inside a value that no shell reads is one of its characters.
var shellReference = regexp.MustCompile("^\\$|\\$[{(]|`")

// isReference is isPlaceholder for what is no command.
func isReference(s string) bool {
	return len(s) < 2 || shellReference.MatchString(s) || strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "<") || strings.HasPrefix(s, "%") ||
		strings.HasPrefix(s, "/") || isFlag(s) || strings.ContainsAny(s, secretStart+secretEnd)
}

func isFlag(value string) bool {
	return slices.Contains([]string{"yes", "no", "true", "false", "0", "1", "on", "off", "null", "none"}, strings.ToLower(value))
}

// span is a part of a text.
type span struct{ start, end int }

// hints are the words of which one stands wherever the patterns find something.
var hints = []string{"pass", "pw", "secret", "token", "credential", "key", "psk", "salt", "dsn", "creds", "auth", "@", "mysql", "mariadb", "redis-cli",
	"valkey-cli", "sqlcmd", "mongo", "curl", "mc", "rabbitmqctl", "cookie", "bearer", "basic", "gh", "glpat-", "sk_", "sk-", "rk_", "xox", "hf_", "npm_", "dckr_", "aiza", "sg.", "eyj"}

// mayHoldSecret spares most texts the patterns, which are slow.
func mayHoldSecret(text string) bool {
	lower := strings.ToLower(text)
	return slices.ContainsFunc(hints, func(hint string) bool { return strings.Contains(lower, hint) })
}

// secretSpans finds the secrets in a command line or a connection string, in order and apart.
func secretSpans(text string) []span { return patternSpans(text, isPlaceholder) }

func patternSpans(text string, isNone func(string) bool) []span {
	if !mayHoldSecret(text) {
		return nil
	}
	var found []span
	for _, p := range secretPatterns {
		for _, m := range p.pattern.FindAllStringSubmatchIndex(text, -1) {
			last := len(m) - 2
			for m[last] < 0 {
				last -= 2
			}
			if p.named && !isSecretName(text[m[2]:m[3]]) || isNone(text[m[last]:m[last+1]]) {
				continue
			}
			found = append(found, span{m[last], m[last+1]})
		}
	}
	return apart(found)
}

// argumentSpans are those of an argument list, in which a word that is a secret is one whole, blanks and all.
func argumentSpans(text string) []span {
	spans := secretSpans(text)
	for i := range spans {
		s := &spans[i]
		start := strings.LastIndexByte(text[:s.start], wordEnd[0]) + 1
		if s.start == start && start > 0 || text[start] == '-' && s.start > 0 && text[s.start-1] == '=' {
			if end := strings.IndexByte(text[s.start:], wordEnd[0]); end >= 0 {
				s.end = s.start + end
			} else {
				s.end = len(text)
			}
		}
	}
	return apart(spans)
}

// apart sorts spans and drops those that overlap an earlier one.
func apart(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	var out []span
	for _, s := range spans {
		if len(out) == 0 || s.start >= out[len(out)-1].end {
			out = append(out, s)
		}
	}
	return out
}

// fileSpans finds the secrets in a file of configuration, line by line.
func fileSpans(text string) []span {
	var spans []span
	if strings.Contains(text, "PRIVATE KEY-----") {
		for _, m := range privateKey.FindAllStringSubmatchIndex(text, -1) {
			spans = append(spans, span{m[2], m[3]})
		}
	}
	at := 0
	for line := range strings.Lines(text) {
		for _, s := range lineSpans(line) {
			spans = append(spans, span{at + s.start, at + s.end})
		}
		at += len(line)
	}
	return apart(spans)
}

func lineSpans(line string) []span {
	if !mayHoldSecret(line) {
		return nil
	}
	spans := patternSpans(line, isReference)
	for _, m := range secretLine.FindAllStringSubmatchIndex(line, -1) {
		if value := line[m[4]:m[5]]; isSecretName(line[m[2]:m[3]]) && !isReference(value) && !isNumber(value) {
			spans = append(spans, span{m[4], m[5]})
		}
	}
	return spans
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789.") == "" }
