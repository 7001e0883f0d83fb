package compose

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

// secretStart and secretEnd mark, in interpolated text, a variable that only the secret store knows. They are
// private-use runes: input that holds them is refused.
const (
	secretStart = "\uE0C5"
	secretEnd   = "\uE0C6"
)

// interpolate replaces the variables in every value under n. Dollars that remain are doubled, for compose-go reads the text once more.
func (l *fileLoader) interpolate(file, field string, n *yaml.Node, env map[string]string) {
	switch n.Kind {
	case yaml.ScalarNode:
		if err := l.interpolateText(file, field, n, env); err != nil {
			l.errs = append(l.errs, err)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			l.interpolate(file, fmt.Sprintf("%s[%d]", field, i), c, env)
		}
	case yaml.MappingNode:
		each(n, func(key string, c *yaml.Node) {
			at := key
			if field != "" {
				at = field + "." + key
			}
			l.interpolate(file, at, c, env)
		})
	}
}

func (l *fileLoader) interpolateText(file, field string, n *yaml.Node, env map[string]string) error {
	if strings.ContainsAny(n.Value, secretStart+secretEnd) {
		return reserved(file, field)
	}
	if !strings.Contains(n.Value, "$") || strings.HasPrefix(field, "x-") {
		return nil
	}
	if err := checkNesting(file, field, n.Value); err != nil {
		return err
	}
	text, err := template.SubstituteWithOptions(n.Value, inShell(field, env, l.lookup(n.Value, env, takesSecrets(field))), template.WithoutLogging)
	if missing := new(template.MissingRequiredError); errors.As(err, &missing) {
		l.missing[missing.Variable] = missing.Reason
		return nil
	}
	if err != nil {
		return &manifest.Problem{File: file, Field: field, Message: "invalid variable reference", Remedy: "write ${NAME}, and $$ for a plain dollar"}
	}
	if m := mark.FindStringSubmatch(text); m != nil && !takesSecrets(field) {
		return &manifest.Problem{File: file, Field: field, Message: fmt.Sprintf("the value of %s is known to the secret store only, and rendering never sees it", m[1]),
			Remedy: "name the variable in environment, command or healthcheck, or set it in values.variables if it is no secret"}
	}
	if l.size += len(text); l.size > maxInterpolated {
		return &manifest.Problem{File: file, Field: field, Message: fmt.Sprintf("the interpolated text is larger than %d bytes", maxInterpolated), Remedy: "use smaller variables"}
	}
	if text == n.Value {
		return nil
	}
	n.Value = strings.ReplaceAll(text, "$", "$$")
	if n.Style == 0 {
		n.Tag = "" // a plain scalar gets the type that its text has now
		if text == "" || strings.ContainsAny(text, "\n#:{}[],&*?|<>=!%@\\\"'") || strings.TrimSpace(text) != text {
			n.Style = yaml.DoubleQuotedStyle
			n.Tag = "!!str"
		}
	}
	return nil
}

// inShell gives the paths of volumes what a shell would: ${PWD}/x is a path of the project and ${HOME}/x one of somebody's home.
func inShell(field string, env map[string]string, next template.Mapping) template.Mapping {
	if !strings.Contains(field, "volumes") {
		return next
	}
	return func(name string) (string, bool) {
		if _, set := env[name]; !set && name == "PWD" {
			return ".", true
		} else if !set && name == "HOME" {
			return "~", true
		}
		return next(name)
	}
}

// secretField is where a variable of the secret store can be referred to; a service's name may hold dots.
var secretField = regexp.MustCompile(`^(?:services|jobs)\..+?\.(?:environment|command|entrypoint|healthcheck|labels|annotations|pre_start|post_start|pre_stop|build\.args)(?:[.\[]|$)|^configs\..+\.content$`)

func takesSecrets(field string) bool { return secretField.MatchString(field) }

// lookup finds a variable. One that the secret store knows becomes a mark where a reference to it can stand.
func (l *fileLoader) lookup(text string, env map[string]string, reference bool) template.Mapping {
	return func(name string) (string, bool) {
		v, ok := env[name]
		if l.store[name] && (reference || !ok) {
			return secretStart + name + secretEnd, true
		}
		if ok {
			return v, true
		}
		if !strings.Contains(text, name+"-") && !strings.Contains(text, name+":") && !strings.Contains(text, name+"?") && !strings.Contains(text, name+"+") {
			l.unset[name] = true
		}
		return "", false
	}
}

// checkNesting bounds ${A:-${B:-…}}, whose cost grows with the square of the depth.
func checkNesting(file, field, text string) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
			if depth > maxNesting {
				return &manifest.Problem{File: file, Field: field, Message: fmt.Sprintf("variables nested deeper than %d", maxNesting), Remedy: "use simpler defaults"}
			}
		case text[i] == '}' && depth > 0:
			depth--
		case text[i] == '\n' && field == "":
			depth = 0
		}
	}
	return nil
}
