package compose

import (
	"regexp"
	"slices"
	"strings"
)

// secretName is the name of a variable, a flag or a key whose value is secret.
var secretName = regexp.MustCompile(`(?i)(PASSWORD|PASSWD|PASSPHRASE|PASSCODE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|ENCRYPTION_?KEY|` +
	`(^|_)(PASS|PWD|PW|PSK|SALT|DSN|CREDS|AUTH)\d*$|(^|_)PASS_|PASS$|KEYS?\d*$)`)

// secretPatterns find secrets in texts: command lines, connection strings, configuration. The last group is the secret; a
// group before it, where there is one, is a name that must be secret too. Words of an argument list are joined by NUL.
var secretPatterns = []struct {
	pattern *regexp.Regexp
	named   bool
}{
	// scheme://user:secret@host, in which the user may be missing.
	{regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^/\s:@\x00"']*:([^/\s@\x00"']+)@`), false},
	// user:secret@tcp(host:3306)/db
	{regexp.MustCompile(`[\w.-]+:([^\s:@/\x00"']+)@(?:tcp|tcp6|unix)?\(`), false},
	// --requirepass secret, --password=secret
	{regexp.MustCompile(`(?i)(?:^|[\s\x00"'])--?([a-z][a-z0-9._-]*)(?:=|[\s\x00]+)["']?([^\s\x00"';|&)<>-][^\s\x00"';|&)<>]*)`), true},
	// NAME=secret; of an ADO connection string, a query, an assignment, a property
	{regexp.MustCompile(`(?:^|[\s\x00;?&'"]|-D|-P)([A-Za-z_][A-Za-z0-9_.-]*)[ ]?=[ ]?["']?([^\s\x00"';|&)<>]+)`), true},
	// mysqladmin ping -psecret
	{regexp.MustCompile(`(?:^|[/\s\x00"'])(?:mysql|mariadb)[a-z_-]*[\s\x00](?:[^|;&]*?[\s\x00])?-p["']?([^\s\x00"';|&)]+)`), false},
	// redis-cli -a secret, sqlcmd -P secret, mongosh -p secret
	{regexp.MustCompile(`(?:^|[/\s\x00"'])(?:redis-cli|valkey-cli)[\s\x00](?:[^|;&]*?[\s\x00])?-a[\s\x00]+["']?([^\s\x00"';|&)]+)`), false},
	{regexp.MustCompile(`(?:^|[/\s\x00"'])sqlcmd[\s\x00](?:[^|;&]*?[\s\x00])?-P[\s\x00]*["']?([^\s\x00"';|&)]+)`), false},
	{regexp.MustCompile(`(?:^|[/\s\x00"'])mongo(?:sh|dump|restore)?[\s\x00](?:[^|;&]*?[\s\x00])?-p[\s\x00]+["']?([^\s\x00"';|&)]+)`), false},
	// curl -u user:secret
	{regexp.MustCompile(`(?:^|[/\s\x00"'])curl[\s\x00](?:[^|;&]*?[\s\x00])?(?:-u|--user)[=\s\x00]*["']?[^\s:\x00"']+:([^\s\x00"']+)`), false},
	// Authorization: Bearer secret
	{regexp.MustCompile(`(?i)authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+([^\s\x00"']+)`), false},
}

// secretLine finds settings in configuration ("password: secret" of YAML, JSON and INI), privateKey keys of TLS and SSH.
var (
	secretLine = regexp.MustCompile(`(?m)["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?[ \t]*[:=][ \t]*["']?([^\s"',;{}\[\]]+)`)
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
	return len(secretSpans(value)) > 0 || strings.Contains(value, "PRIVATE KEY-----")
}

func isSecretName(name string) bool {
	return secretName.MatchString(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

// isPlaceholder tells what stands where a secret is put in later, and what no secret is.
func isPlaceholder(s string) bool {
	return len(s) < 2 || strings.ContainsAny(s, "$`") || strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "<") || strings.HasPrefix(s, "%") ||
		strings.HasPrefix(s, "/") || isFlag(s) || strings.ContainsAny(s, secretStart+secretEnd)
}

func isFlag(value string) bool {
	return slices.Contains([]string{"yes", "no", "true", "false", "0", "1", "on", "off", "null", "none"}, strings.ToLower(value))
}

// span is a part of a text.
type span struct{ start, end int }

// secretSpans finds the secrets in a command line or a connection string, in order and apart.
func secretSpans(text string) []span {
	var found []span
	for _, p := range secretPatterns {
		for _, m := range p.pattern.FindAllStringSubmatchIndex(text, -1) {
			last := len(m) - 2
			if p.named && !isSecretName(text[m[2]:m[3]]) || isPlaceholder(text[m[last]:m[last+1]]) {
				continue
			}
			found = append(found, span{m[last], m[last+1]})
		}
	}
	return apart(found)
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

// fileSpans finds the secrets in a file of configuration.
func fileSpans(text string) []span {
	spans := secretSpans(text)
	for _, m := range privateKey.FindAllStringSubmatchIndex(text, -1) {
		spans = append(spans, span{m[2], m[3]})
	}
	for _, m := range secretLine.FindAllStringSubmatchIndex(text, -1) {
		if value := text[m[4]:m[5]]; isSecretName(text[m[2]:m[3]]) && !isPlaceholder(value) && !isNumber(value) {
			spans = append(spans, span{m[4], m[5]})
		}
	}
	return apart(spans)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789.") == "" }
