package compose

import (
	"maps"
	"path"
	"regexp"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// dockerfile is what the translation wants to know of a Dockerfile.
type dockerfile struct {
	// ports of EXPOSE, of the stage that is built and of those that it is made from.
	ports []port
	// image that the stage rests on; empty for scratch.
	image string
	// health is the health check of the nearest stage that says one.
	health *composetypes.HealthCheckConfig
}

// stage of a Dockerfile.
type stage struct {
	name, from string
	expose     []string
	env        map[string]string
	health     *composetypes.HealthCheckConfig
}

// dockerVariable is $NAME, ${NAME}, ${NAME:-default} or ${NAME:+other}.
var dockerVariable = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?([-+])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)

// readDockerfile reads the Dockerfile that the service is built from. It may be missing: a template may name builds whose
// files live in another source.
func (t *translation) readDockerfile(svc composetypes.ServiceConfig) dockerfile {
	if svc.Build == nil {
		return dockerfile{}
	}
	text, err := t.dockerfileText(*svc.Build)
	if err != nil {
		return dockerfile{}
	}
	return parseDockerfile(text, svc.Build.Target, svc.Build.Args)
}

// dockerfilePath is the file's path in the repository, which the loader has found to be inside it.
func dockerfilePath(b composetypes.BuildConfig) string {
	name := b.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	return path.Join(path.Clean(b.Context), name)
}

// dockerfileText is what the image is built by, in the Compose file or in one of its own.
func (t *translation) dockerfileText(b composetypes.BuildConfig) (string, error) {
	if b.DockerfileInline != "" {
		return b.DockerfileInline, nil
	}
	data, err := readFile(t.in.Source, dockerfilePath(b), maxFileSize)
	return string(data), err
}

// hasDockerfile reports whether the repository holds what the image is built by.
func (t *translation) hasDockerfile(b composetypes.BuildConfig) bool {
	return b.DockerfileInline != "" || isFile(t.in.Source, dockerfilePath(b))
}

// instructions are the logical lines of a Dockerfile, with the blanks that stand in them.
func instructions(text string) []string {
	var out []string
	var line strings.Builder
	end := func() {
		if whole := strings.TrimSpace(line.String()); whole != "" {
			out = append(out, whole)
		}
		line.Reset()
	}
	for raw := range strings.Lines(text) {
		raw = strings.TrimRight(raw, " \t\r\n")
		if bare := strings.TrimSpace(raw); bare == "" || strings.HasPrefix(bare, "#") {
			continue
		}
		start, more := strings.CutSuffix(raw, `\`)
		line.WriteString(start)
		if !more {
			end()
		}
	}
	end()
	return out
}

func parseDockerfile(text, target string, args composetypes.MappingWithEquals) dockerfile {
	stages := stagesOf(text, args)
	at := len(stages) - 1
	for i, s := range stages {
		if target != "" && strings.EqualFold(s.name, target) {
			at = i
		}
	}
	var d dockerfile
	for at >= 0 {
		s := stages[at]
		for _, word := range s.expose {
			d.ports = append(d.ports, exposed(word)...)
		}
		d.image = s.from
		if d.health == nil {
			d.health = s.health
		}
		parent := -1
		for i := range stages[:at] {
			if s.from != "" && strings.EqualFold(stages[i].name, s.from) {
				parent = i
			}
		}
		at = parent
	}
	if d.image == "scratch" {
		d.image = ""
	}
	return d
}

// dockerfileReader collects what instructions say, one line after the other.
type dockerfileReader struct {
	args composetypes.MappingWithEquals
	// global are the ARGs before the first FROM; vars those of the stage.
	global, vars map[string]string
	stages       []stage
}

// stagesOf reads the instructions that say ports, health checks and what they refer to.
func stagesOf(text string, args composetypes.MappingWithEquals) []stage {
	r := &dockerfileReader{args: args, global: map[string]string{}}
	r.vars = r.global
	for _, line := range instructions(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || len(r.stages) > 100 {
			continue
		}
		switch strings.ToUpper(fields[0]) {
		case "FROM":
			r.from(fields[1:])
		case "ARG":
			r.arg(fields[1:])
		case "ENV":
			readEnvInstruction(fields[1:], r.vars)
		case "EXPOSE":
			r.expose(fields[1:])
		case "HEALTHCHECK":
			if len(r.stages) > 0 {
				_, rest := cutWord(strings.TrimSpace(line))
				r.stages[len(r.stages)-1].health = readHealth(rest)
			}
		}
	}
	return r.stages
}

// from begins a stage, with the variables of the one that it is made from.
func (r *dockerfileReader) from(words []string) {
	s := stage{env: map[string]string{}}
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	if len(words) > 0 {
		s.from = expandVariables(words[0], r.global)
	}
	if len(words) > 2 && strings.EqualFold(words[1], "AS") {
		s.name = words[2]
	}
	for _, earlier := range r.stages {
		if earlier.name != "" && strings.EqualFold(earlier.name, s.from) {
			maps.Copy(s.env, earlier.env)
		}
	}
	r.stages = append(r.stages, s)
	r.vars = s.env
}

// arg declares variables: what the build gives wins, then the default, then the value before the first FROM.
func (r *dockerfileReader) arg(words []string) {
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if given := r.args[name]; given != nil {
			value, ok = *given, true
		} else if outer, set := r.global[name]; !ok && set {
			value, ok = outer, true
		}
		if ok {
			r.vars[name] = expandVariables(strings.Trim(value, `"'`), r.vars)
		}
	}
}

func (r *dockerfileReader) expose(words []string) {
	if len(r.stages) == 0 {
		return
	}
	s := &r.stages[len(r.stages)-1]
	for _, w := range words {
		if strings.HasPrefix(w, "#") || len(s.expose) > 100 {
			return
		}
		s.expose = append(s.expose, strings.Trim(expandVariables(w, r.vars), `"'`))
	}
}

// readEnvInstruction reads ENV NAME=value … and ENV NAME value.
func readEnvInstruction(fields []string, vars map[string]string) {
	if !strings.Contains(fields[0], "=") {
		vars[fields[0]] = expandVariables(strings.Join(fields[1:], " "), vars)
		return
	}
	for _, f := range fields {
		if name, value, ok := strings.Cut(f, "="); ok {
			vars[name] = expandVariables(strings.Trim(value, `"'`), vars)
		}
	}
}

// expandVariables replaces $NAME, ${NAME} and ${NAME:-default}, once: a value cannot grow without bound.
func expandVariables(s string, vars map[string]string) string {
	if len(s) > 4096 {
		return s
	}
	out := dockerVariable.ReplaceAllStringFunc(s, func(m string) string {
		p := dockerVariable.FindStringSubmatch(m)
		value := vars[p[1]+p[4]]
		switch {
		case p[2] == "-" && value == "":
			return p[3]
		case p[2] == "+" && value != "":
			return p[3]
		}
		return value
	})
	return out[:min(len(out), 4096)]
}
