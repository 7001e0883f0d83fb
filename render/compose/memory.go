package compose

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// memoryVolume is a tmpfs: everybody may write to it, and it counts as the pod's memory.
func memoryVolume(name string, size int64) corev1.Volume {
	e := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if size > 0 {
		e.SizeLimit = resource.NewQuantity(size, resource.BinarySI)
	}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: e}}
}

// tmpfsSize reads size= of a tmpfs entry's options; 0 when there is none.
func tmpfsSize(options string) int64 {
	for _, o := range strings.Split(options, ",") {
		if v, ok := strings.CutPrefix(o, "size="); ok {
			return parseBytes(v)
		}
	}
	return 0
}

var byteSize = regexp.MustCompile(`^(?i)([0-9]{1,15})(\.[0-9]{1,3})? ?([kmgt]?)(i?b)?$`)

// parseBytes reads a size as Docker writes it: 65536, 64m, 1.5g, 10GB, each unit 1024 of the one below. 0 for anything else.
func parseBytes(s string) int64 {
	m := byteSize.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1]+m[2], 64)
	if err != nil {
		return 0
	}
	for range strings.Index(" kmgt", strings.ToLower(m[3] + " ")[:1]) {
		n *= 1024
	}
	if n > 1<<62 {
		return 0
	}
	return int64(n)
}
