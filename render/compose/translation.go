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
// reports all that is wrong. What the passes of run find stands in the groups below, each by the service's Compose name.
type translation struct {
	in Input
	*loaded
	naming
	// declared holds the entrances that x-catalyst.ingress names.
	declared map[string][]entrance
	listening
	pods
	networks networks
	storage  storage
	ordering
	variableState
	// usual marks the requests that stand for the LimitRange's, not for what the application asks for.
	usual map[resourceOf]bool
	objs  []*unstructured.Unstructured
	errs  []error
	url   string
}

// naming is what services are called.
type naming struct {
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
}

// listening is what services listen on.
type listening struct {
	ports       map[string][]port
	dockerfiles map[string]dockerfile
	// searched counts the bytes of mounted files that were searched for hosts.
	searched int
}

// pods are what runs the services.
type pods struct {
	// oneShot marks the services that run to their end.
	oneShot map[string]bool
	// owners holds the service in whose pod each service runs, and members the services of each owner's pod.
	owners  map[string]string
	members map[string][]string
	// scale holds the replicas of each owner's pod; stateful marks those of which one alone may run.
	scale    map[string]int32
	stateful map[string]bool
	// templates holds the pods of each owner, once made.
	templates map[string]*corev1.PodTemplateSpec
}

// ordering is what comes before what.
type ordering struct {
	// depends holds what each owner's pod waits for.
	depends map[string][]dependency
	// waves holds the sync wave of what each service needs first, workloadWaves that of each owner's workload.
	waves, workloadWaves map[string]int
}

func newTranslation(in Input, app *loaded) *translation {
	t := &translation{in: in, loaded: app, variableState: newVariableState(), usual: map[resourceOf]bool{}}
	t.nameServices()
	return t
}

// run makes the objects. First it finds all that a single service does not say of itself: each pass needs what those
// before it found. Then it makes the objects, each from its service alone, and last what depends on all objects.
func (t *translation) run() (Result, error) {
	t.nameHosts()
	t.renameHosts() // changes the project: nothing may have read commands and texts before
	t.checkEntrances()
	t.findPorts() // also of declared entrances
	t.findJobs()  // a service that listens is none
	t.groupPods() // jobs stay alone
	t.findNetworks()
	services := t.services()
	t.planStorage(t.withHooks(services)) // what services share shows only when all are planned
	t.findScale()                        // one pod where a volume is for one
	t.findDependencies()
	t.levels()
	t.nameReadiness() // of what somebody waits for
	t.checkValues()
	t.learn() // before the first variable is written: one service may name another's secret
	for _, svc := range services {
		t.refuseNodeAccess(svc)
	}
	t.claims()
	for _, svc := range services {
		t.workload(svc)
		t.service(svc)
	}
	t.networkPolicies()
	t.ingresses()
	t.concealedObjects() // the secrets of all pods
	t.fitQuota()         // the sum of all pods
	if err := errors.Join(t.errs...); err != nil {
		return Result{}, err
	}
	return Result{Objects: t.objs, URL: t.url}, nil
}

// nameServices gives each service, and each of its pre_start hooks, a Kubernetes name.
func (t *translation) nameServices() {
	t.hookNames = map[string][]string{}
	names := t.project.ServiceNames()
	for _, svc := range t.services() {
		for i := range svc.PreStart {
			hook := fmt.Sprintf("%s/pre_start/%d", svc.Name, i) // no service has a slash in its name
			t.hookNames[svc.Name] = append(t.hookNames[svc.Name], hook)
			names = append(names, hook)
		}
	}
	t.names = kubernetesNames(names)
}

// findPorts finds what each service listens on.
func (t *translation) findPorts() {
	t.ports, t.dockerfiles = map[string][]port{}, map[string]dockerfile{}
	for _, svc := range t.services() {
		t.dockerfiles[svc.Name] = t.readDockerfile(svc)
		if t.hasImagesHealth(svc) {
			svc.HealthCheck = mergeHealth(svc.HealthCheck, t.dockerfiles[svc.Name].health)
			t.project.Services[svc.Name] = svc
		}
	}
	services := t.services()
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

// refuse collects a problem with a field of the Compose file.
func (t *translation) refuse(field, message, remedy string) {
	t.errs = append(t.errs, &manifest.Problem{File: t.file, Field: field, Message: message, Remedy: remedy})
}

// refuseKey collects a problem with a key of a service.
func (t *translation) refuseKey(service, key, message, remedy string) {
	t.refuse("services."+service+"."+key, message, remedy)
}

// note reports what was approximated or ignored. Without a service, key is a field of the file.
func (t *translation) note(service, key string, v manifest.Verdict, reason string) {
	t.in.Report.Add(manifest.Finding{File: t.file, Subject: service, Key: key, Verdict: v, Reason: reason})
}
