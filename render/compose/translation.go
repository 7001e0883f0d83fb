package compose

import (
	"errors"
	"path"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/render/manifest"
)

// translation is one application on its way to Kubernetes. Objects and problems are collected, so that one run
// reports all that is wrong.
type translation struct {
	in      Input
	file    string
	project *composetypes.Project
	// variables that env files may refer to.
	variables map[string]string
	// names holds the Kubernetes name of each service.
	names map[string]string
	// waves holds the sync wave of each service.
	waves map[string]int
	// ports that each service listens on.
	ports map[string][]port
	// oneShot marks the services that run to their end.
	oneShot map[string]bool
	storage storage
	objs    []*unstructured.Unstructured
	errs    []error
	url     string
}

func newTranslation(in Input, project *composetypes.Project) (*translation, error) {
	files, err := findFiles(in.Source, in.Path)
	if err != nil {
		return nil, err
	}
	t := &translation{in: in, file: files[0], project: project, ports: map[string][]port{}, oneShot: map[string]bool{}}
	if t.variables, err = (&fileLoader{in: in}).environment(path.Dir(t.file)); err != nil {
		return nil, err
	}
	t.names = kubernetesNames(project.ServiceNames())
	return t, nil
}

func (t *translation) run() (Result, error) {
	services := t.services()
	for _, svc := range services {
		t.refuse(svc)
		t.ports[svc.Name] = t.portsOf(svc)
	}
	for _, svc := range services {
		t.oneShot[svc.Name] = t.runsToItsEnd(svc)
	}
	t.waves = t.levels(services)
	t.planStorage(services)
	t.claims()
	for _, svc := range services {
		t.workload(svc)
		t.service(svc)
	}
	t.ingresses(services)
	if err := errors.Join(t.errs...); err != nil {
		return Result{}, err
	}
	return Result{Objects: t.objs, URL: t.url}, nil
}

// services that the profiles enable, by name.
func (t *translation) services() []composetypes.ServiceConfig {
	var services []composetypes.ServiceConfig
	for _, name := range sortedKeys(t.project.Services) {
		services = append(services, t.project.Services[name])
	}
	return services
}

// add collects an object.
func (t *translation) add(obj runtime.Object) {
	u, err := manifest.FromTyped(obj)
	if err != nil {
		t.errs = append(t.errs, err)
		return
	}
	t.objs = append(t.objs, u)
}

// refuseKey collects a problem with a key of a service.
func (t *translation) refuseKey(service, key, message, remedy string) {
	t.errs = append(t.errs, &manifest.Problem{File: t.file, Field: "services." + service + "." + key, Message: message, Remedy: remedy})
}

// note reports what was approximated or ignored.
func (t *translation) note(service, key string, v manifest.Verdict, reason string) {
	t.in.Report.Add(manifest.Finding{File: t.file, Subject: service, Key: key, Verdict: v, Reason: reason})
}
