package compose

import (
	"errors"
	"fmt"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
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
	// names holds the Kubernetes name of each service, and of the pods of its pre_start hooks.
	names map[string]string
	// hookNames holds the name in names of each pre_start hook of a service.
	hookNames map[string][]string
	// aliases holds the names of each service's further Services.
	aliases map[string][]string
	hosts   hosts
	// fixed holds the service that a network's configuration gives an address.
	fixed map[string]string
	// readyNames holds the name of the headless Service that tells whether a service is ready, where there is one.
	readyNames map[string]string
	// owners holds the service in whose pod each service runs, and members the services of each owner's pod.
	owners  map[string]string
	members map[string][]string
	// waves holds the sync wave of what each service needs first, workloadWaves that of each owner's workload.
	waves, workloadWaves map[string]int
	// depends holds what each owner's pod waits for.
	depends  map[string][]dependency
	networks networks
	// ports that each service listens on.
	ports       map[string][]port
	dockerfiles map[string]dockerfile
	// searched counts the bytes of mounted files that were searched for hosts.
	searched int
	// oneShot marks the services that run to their end.
	oneShot map[string]bool
	// scale holds the replicas of each owner's pod; stateful marks those of which one alone may run.
	scale    map[string]int32
	stateful map[string]bool
	// templates holds the pods of each owner, once made.
	templates map[string]*corev1.PodTemplateSpec
	// declared holds the entrances that x-catalyst.ingress names.
	declared map[string][]entrance
	storage  storage
	variableState
	// usual marks the requests that stand for the LimitRange's, not for what the application asks for.
	usual map[resourceOf]bool
	objs  []*unstructured.Unstructured
	errs  []error
	url   string
}

func newTranslation(in Input, project *composetypes.Project) (*translation, error) {
	l := &fileLoader{in: in, store: storeNames(in)}
	files, _, variables, err := l.find()
	if err != nil {
		return nil, err
	}
	t := &translation{in: in, file: files[0], variables: variables, project: project, ports: map[string][]port{}, oneShot: map[string]bool{},
		dockerfiles: map[string]dockerfile{}, templates: map[string]*corev1.PodTemplateSpec{}, hookNames: map[string][]string{}}
	t.variableState, t.usual = newVariableState(in), map[resourceOf]bool{}
	names := project.ServiceNames()
	for _, svc := range t.services() {
		for i := range svc.PreStart {
			hook := fmt.Sprintf("%s/pre_start/%d", svc.Name, i) // no service has a slash in its name
			t.hookNames[svc.Name] = append(t.hookNames[svc.Name], hook)
			names = append(names, hook)
		}
	}
	t.names = kubernetesNames(names)
	return t, nil
}

func (t *translation) run() (Result, error) {
	t.nameHosts()
	t.renameHosts()
	t.checkEntrances()
	t.findPorts()
	t.findJobs()
	t.groupPods()
	t.findNetworks()
	services := t.services()
	t.planStorage(t.withHooks(services))
	t.findScale()
	t.findDependencies()
	t.levels()
	t.nameReadiness()
	t.checkValues()
	t.learn()
	for _, svc := range services {
		t.refuse(svc)
	}
	t.claims()
	for _, svc := range services {
		t.workload(svc)
		t.service(svc)
	}
	t.networkPolicies()
	t.ingresses()
	t.concealedObjects()
	t.fitQuota()
	if err := errors.Join(t.errs...); err != nil {
		return Result{}, err
	}
	return Result{Objects: t.objs, URL: t.url}, nil
}

// findPorts finds what each service listens on.
func (t *translation) findPorts() {
	services := t.services()
	for _, svc := range services {
		t.dockerfiles[svc.Name] = t.readDockerfile(svc)
	}
	named := t.namedPorts()
	for _, svc := range services {
		t.ports[svc.Name] = t.portsOf(svc, named[svc.Name])
	}
}

// services that the profiles enable, by name.
func (t *translation) services() []composetypes.ServiceConfig {
	services := make([]composetypes.ServiceConfig, 0, len(t.project.Services))
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
