package compose

import (
	"fmt"
	"strconv"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// claims makes the PersistentVolumeClaims that services use. Each is in the sync wave of its first consumer: a claim that is
// bound only when a pod comes would otherwise hold its wave, and so the pod, for ever.
func (t *translation) claims(services []composetypes.ServiceConfig) {
	waves := map[string]int{}
	volumes := map[string]string{}
	for _, svc := range services {
		for _, v := range svc.Volumes {
			if !t.isClaim(svc, v) {
				continue
			}
			claim := bindClaimName(svc, v)
			if v.Type != composetypes.VolumeTypeBind {
				claim = dnsName(v.Source)
				volumes[claim] = v.Source
			}
			if wave, known := waves[claim]; !known || t.waves[svc.Name] < wave {
				waves[claim] = t.waves[svc.Name]
			}
		}
	}
	for _, claim := range sortedKeys(waves) {
		t.claim(claim, t.project.Volumes[volumes[claim]], waves[claim])
	}
}

func (t *translation) claim(name string, v composetypes.VolumeConfig, wave int) {
	size, class := t.in.StorageSize, t.in.StorageClass
	own, _ := v.Extensions["x-catalyst"].(map[string]any)
	for key, def := range map[string]string{"size": v.Labels["size"], "class": v.Labels["class"]} {
		text := def
		if s, ok := own[key].(string); ok {
			text = s
		}
		if text == "" {
			continue
		}
		if key == "class" {
			class = text
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil || q.Sign() <= 0 {
			t.errs = append(t.errs, &manifest.Problem{File: t.file, Field: "volumes." + name + ".x-catalyst.size",
				Message: fmt.Sprintf("%q is not a size", text), Remedy: `write it as "5Gi"`})
			return
		}
		size = q
	}
	pvc := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{annotationWave: strconv.Itoa(wave)}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if class != "" {
		pvc.Spec.StorageClassName = &class
	}
	t.add(pvc)
}
