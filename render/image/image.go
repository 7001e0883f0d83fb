// Package image provides the template type prebuilt: one image with Kubernetes' container fields as a Deployment, with
// its Service, Ingress and PersistentVolumeClaims.
package image

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// Input is all that a render of one image depends on.
type Input struct {
	// Name of the objects, a DNS label.
	Name string
	// Host of the environment, and whether it is served over https.
	Host string
	TLS  bool
	// IngressClass and ClusterIssuer of the Ingress; the cluster's defaults when empty.
	IngressClass, ClusterIssuer string
	// Image resolved by the image rule.
	Image string
	// Config holds the container fields, the environment's over the template's.
	Config v1alpha1.Config
	// StorageClass of claims that name none; the cluster's default when empty.
	StorageClass string
	// StorageSize of claims that name none.
	StorageSize resource.Quantity
	// SecretNames are the secrets that exist beside this render.
	SecretNames []string
	// Report takes what was approximated or ignored.
	Report *manifest.Report
}

// Result of a render.
type Result struct {
	// Objects without namespace and common labels.
	Objects []*unstructured.Unstructured
	// URL of the Ingress; empty without one.
	URL string
}

// nameLabel selects the pods. It is not app.kubernetes.io/name, which the environment's other objects share.
const nameLabel = "app.kubernetes.io/component"

// Render makes the objects. Bad input gives *manifest.Problem.
func Render(ctx context.Context, in Input) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if in.Image == "" {
		return Result{}, problem("image", "there is no image", "set config.image")
	}
	if err := in.check(); err != nil {
		return Result{}, err
	}
	typed := []runtime.Object{in.deployment()}
	if len(in.Config.Ports) > 0 {
		typed = append(typed, in.service())
	}
	for _, v := range in.Config.Volumes {
		typed = append(typed, in.claim(v))
	}
	result := Result{}
	if port, ok := in.entrance(); ok {
		typed = append(typed, in.ingress(port))
		result.URL = in.url()
	}
	for _, obj := range typed {
		u, err := manifest.FromTyped(obj)
		if err != nil {
			return Result{}, err
		}
		result.Objects = append(result.Objects, u)
	}
	return result, nil
}

// check finds what the API server would refuse with less of an explanation.
func (in Input) check() error {
	ports := map[string]bool{}
	for i, p := range in.Config.Ports {
		key := fmt.Sprintf("%d/%s", p.ContainerPort, protocol(p))
		if p.ContainerPort < 1 || p.ContainerPort > 65535 || ports[key] {
			return problem(fmt.Sprintf("ports[%d].containerPort", i), fmt.Sprintf("port %s is out of range or stands twice", key), "list each port once, from 1 to 65535")
		}
		ports[key] = true
	}
	volumes := map[string]bool{}
	for i, v := range in.Config.Volumes {
		if v.Name == "" || volumes[v.Name] {
			return problem(fmt.Sprintf("volumes[%d].name", i), fmt.Sprintf("volume %q has no name or stands twice", v.Name), "give each volume its own name")
		}
		volumes[v.Name] = true
	}
	mounts := in.Config.VolumeMounts
	for _, c := range in.Config.InitContainers {
		mounts = append(mounts[:len(mounts):len(mounts)], c.VolumeMounts...)
	}
	for _, m := range mounts {
		if !volumes[m.Name] {
			return problem("volumeMounts", fmt.Sprintf("there is no volume %q", m.Name), "add it to config.volumes")
		}
	}
	if i := in.Config.Ingress; i != nil && !i.Disabled && i.Port != 0 && !ports[fmt.Sprintf("%d/TCP", i.Port)] {
		return problem("ingress.port", fmt.Sprintf("port %d is not among config.ports", i.Port), "add it to config.ports")
	}
	return nil
}

func problem(field, message, remedy string) error {
	return &manifest.Problem{File: "project.yaml", Field: "config." + field, Message: message, Remedy: remedy}
}

func (in Input) deployment() *appsv1.Deployment {
	labels := map[string]string{nameLabel: in.Name}
	replicas := int32(1)
	if in.Config.Replicas != nil {
		replicas = *in.Config.Replicas
	}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: in.Name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: in.pod()},
		},
	}
	if len(in.Config.Volumes) > 0 {
		// A rolling update would wait for a claim that the old pod holds on another node.
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	}
	return d
}

func (in Input) pod() corev1.PodSpec {
	no := false
	spec := corev1.PodSpec{
		EnableServiceLinks:           &no,
		AutomountServiceAccountToken: &no,
		SecurityContext: &corev1.PodSecurityContext{
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{in.container()},
	}
	for i, c := range in.Config.InitContainers {
		c = *c.DeepCopy()
		if c.Image == "" {
			c.Image = in.Image
		}
		if c.Name == "" {
			c.Name = fmt.Sprintf("init-%d", i)
		}
		spec.InitContainers = append(spec.InitContainers, c)
	}
	for _, v := range in.Config.Volumes {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.Name},
		}})
	}
	return spec
}

func (in Input) container() corev1.Container {
	c := in.Config.DeepCopy()
	return corev1.Container{
		Name: in.Name, Image: in.Image, Command: c.Command, Args: c.Args, WorkingDir: c.WorkingDir,
		Ports: c.Ports, Env: c.Env, EnvFrom: c.EnvFrom, Resources: c.Resources,
		LivenessProbe: c.LivenessProbe, ReadinessProbe: c.ReadinessProbe, StartupProbe: c.StartupProbe,
		SecurityContext: c.SecurityContext, VolumeMounts: c.VolumeMounts,
	}
}

// claim fills what the template leaves out.
func (in Input) claim(v v1alpha1.Volume) *corev1.PersistentVolumeClaim {
	spec := *v.PersistentVolumeClaim.DeepCopy()
	if len(spec.AccessModes) == 0 {
		spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	if _, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		if spec.Resources.Requests == nil {
			spec.Resources.Requests = corev1.ResourceList{}
		}
		spec.Resources.Requests[corev1.ResourceStorage] = in.StorageSize
	}
	if spec.StorageClassName == nil && in.StorageClass != "" {
		class := in.StorageClass
		spec.StorageClassName = &class
	}
	return &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: v.Name},
		Spec:       spec,
	}
}
