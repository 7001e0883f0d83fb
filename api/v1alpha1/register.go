package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "catalyst.catalyst.dev", Version: "v1alpha1"}

// The kinds, as they stand in a document's kind field.
const (
	KindPlatform    = "Platform"
	KindTeam        = "Team"
	KindProject     = "Project"
	KindEnvironment = "Environment"
)

// AddToScheme registers the kinds with a Kubernetes client's scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Platform{}, &PlatformList{}, &Team{}, &TeamList{},
		&Project{}, &ProjectList{}, &Environment{}, &EnvironmentList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
