package helm

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"catalyst.dev/catalyst/render/manifest"
)

// place finds "chart/templates/file.yaml:12" in Helm's errors.
var place = regexp.MustCompile(`([^\s():"]+/[^\s():"]+):(\d+)(?::\d+)?`)

// maxMessage bounds what of a template's error is repeated: templates may fail with any text.
const maxMessage = 1000

// nested is Helm's word for a template that includes itself without end. It stands last, behind each of the calls.
const nested = "rendering template has a nested reference name"

// problem turns an error of Helm into one that names the chart's file and line.
func (r *renderer) problem(err error, remedy string) error {
	var known *manifest.Problem
	if errors.As(err, &known) {
		return err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := &manifest.Problem{File: r.Path, Message: text, Remedy: remedy}
	if at := place.FindStringSubmatch(text); at != nil {
		p.File = r.templateFile(at[1])
		p.Message = fmt.Sprintf("line %s: %s", at[2], strings.TrimPrefix(text, "template: "))
	}
	if strings.Contains(text, nested) {
		p.Message = "the template calls itself without end"
		p.Remedy = "look for a template that includes itself, also through tpl, and give the recursion an end"
	}
	if len(p.Message) > maxMessage {
		p.Message = strings.ToValidUTF8(p.Message[:maxMessage], "") + "…"
	}
	return p
}
