package compose

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// maxHealthCommand is the longest health check that is read from a Dockerfile.
const maxHealthCommand = 16 << 10

// readHealth reads what follows HEALTHCHECK; nil for what Docker would not build.
func readHealth(text string) *composetypes.HealthCheckConfig {
	h := &composetypes.HealthCheckConfig{}
	text = strings.TrimSpace(text)
	for strings.HasPrefix(text, "--") {
		flag, rest := cutWord(text)
		if !setHealthFlag(h, flag) {
			return nil
		}
		text = rest
	}
	kind, command := cutWord(text)
	var words []string
	switch {
	case strings.EqualFold(kind, "NONE"):
		h.Test = composetypes.HealthCheckTest{"NONE"}
	case !strings.EqualFold(kind, "CMD") || command == "" || len(command) > maxHealthCommand:
		return nil
	case strings.HasPrefix(command, "[") && json.Unmarshal([]byte(command), &words) == nil:
		h.Test = append(composetypes.HealthCheckTest{"CMD"}, words...)
	default:
		h.Test = composetypes.HealthCheckTest{"CMD-SHELL", command}
	}
	return h
}

func cutWord(text string) (word, rest string) {
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// setHealthFlag reads --interval=5s and its like.
func setHealthFlag(h *composetypes.HealthCheckConfig, flag string) bool {
	name, value, _ := strings.Cut(flag, "=")
	if name == "--retries" {
		retries, err := strconv.ParseUint(value, 10, 31)
		h.Retries = &retries
		return err == nil
	}
	field := map[string]**composetypes.Duration{"--interval": &h.Interval, "--timeout": &h.Timeout, "--start-period": &h.StartPeriod,
		"--start-interval": &h.StartInterval}[name]
	long, err := time.ParseDuration(value)
	if field == nil || err != nil || long < 0 {
		return false
	}
	d := composetypes.Duration(long)
	*field = &d
	return true
}

// hasImagesHealth reports whether a service is what its image's health check is for. A worker that runs another command of
// the image would never be ready, which Docker does not mind, and Argo CD would wait for it.
func (t *translation) hasImagesHealth(svc composetypes.ServiceConfig) bool {
	if svc.HealthCheck != nil || len(svc.Command)+len(svc.Entrypoint) == 0 || len(svc.Ports)+len(svc.Expose) > 0 {
		return true
	}
	for _, other := range t.services() {
		if other.DependsOn[svc.Name].Condition == composetypes.ServiceConditionHealthy {
			return true
		}
	}
	return false
}

// mergeHealth is the health check of a container: the file's, with what it leaves out from the image.
func mergeHealth(own, image *composetypes.HealthCheckConfig) *composetypes.HealthCheckConfig {
	if image == nil || own != nil && own.Disable {
		return own
	}
	if own == nil {
		return image
	}
	merged := *own
	if len(merged.Test) == 0 {
		merged.Test = image.Test
	}
	for _, field := range []struct{ own, image **composetypes.Duration }{{&merged.Interval, &image.Interval}, {&merged.Timeout, &image.Timeout},
		{&merged.StartPeriod, &image.StartPeriod}, {&merged.StartInterval, &image.StartInterval}} {
		if *field.own == nil || **field.own == 0 {
			*field.own = *field.image
		}
	}
	if merged.Retries == nil || *merged.Retries == 0 {
		merged.Retries = image.Retries
	}
	return &merged
}
