package worker

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// maxFile is the largest file of a source that a render may read.
const maxFile = 10 << 20

// maxRequests is how many files and folders one render may ask for.
const maxRequests = 100_000

// maxValues is how many JSON values all objects may hold: bounds what decoding them takes from the parent.
const maxValues = 1_000_000

// limits are spec.render of the Platform with its defaults, in bytes.
type limits struct {
	timeout                            time.Duration
	memory, output, objectSize, source int64
	objects                            int
}

func limitsOf(p *v1alpha1.Platform) limits {
	var r v1alpha1.RenderLimits
	if p != nil {
		r = p.Spec.Render
	}
	l := limits{
		timeout:    30 * time.Second,
		memory:     bytesOf(r.Memory, 2<<30),
		output:     bytesOf(r.Output, 64<<20),
		objectSize: bytesOf(r.ObjectSize, 1<<20),
		source:     bytesOf(r.Source, 256<<20),
		objects:    1000,
	}
	if r.Timeout != nil && r.Timeout.Duration > 0 {
		l.timeout = r.Timeout.Duration
	}
	if r.Objects > 0 {
		l.objects = int(r.Objects)
	}
	return l
}

func bytesOf(q *resource.Quantity, otherwise int64) int64 {
	if q == nil || q.Value() <= 0 {
		return otherwise
	}
	return q.Value()
}

func timeoutProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("rendering took longer than %s", l.timeout),
		Remedy:  "look for a loop or recursion without end in the template, or raise spec.render.timeout in catalyst.yaml",
	}
}

func memoryProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("rendering needed more than %s of memory", size(l.memory)),
		Remedy:  "look for values that grow without end, or a template that calls itself through tpl, or raise spec.render.memory in catalyst.yaml",
	}
}

func stackProblem() error {
	return &manifest.Problem{
		Message: "the template calls itself without end",
		Remedy:  "look for a template that includes itself, also through tpl, and give the recursion an end",
	}
}

func outputProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("the template renders more than %s of objects", size(l.output)),
		Remedy:  "split the project, or raise spec.render.output in catalyst.yaml",
	}
}

func objectsProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("the template renders more than %d objects", l.objects),
		Remedy:  "split the project, or raise spec.render.objects in catalyst.yaml",
	}
}

func objectSizeProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("an object is larger than %s", size(l.objectSize)),
		Remedy:  "make it smaller: the API server takes no more than about 1 MiB (the limit is spec.render.objectSize in catalyst.yaml)",
	}
}

func sourceProblem(l limits) error {
	return &manifest.Problem{
		Message: fmt.Sprintf("rendering reads more than %s of the sources", size(l.source)),
		Remedy:  "point the template at a smaller folder, or raise spec.render.source in catalyst.yaml",
	}
}

// size in the largest binary unit that gives a whole number.
func size(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
