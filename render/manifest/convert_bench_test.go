package manifest_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

func BenchmarkFromTyped(b *testing.B) {
	d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"a": "b", "c": "d"}}}
	for range 3 {
		d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "c", Image: "i", Command: []string{"a", "b"}, Env: []corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "C", Value: "d"}},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}, VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := manifest.FromTyped(d); err != nil {
			b.Fatal(err)
		}
	}
}
