package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Team owns projects. It stands in teams/<team>.yaml; its name is its namespace segment.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster
type Team struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TeamSpec `json:"spec,omitempty"`
}

// TeamSpec says who belongs to a team.
type TeamSpec struct {
	// DisplayName is shown to people instead of the name.
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// Members of the team, each once.
	// +optional
	// +listType=map
	// +listMapKey=user
	Members []Member `json:"members,omitempty"`
}

// Member is one person of a team.
type Member struct {
	// User is the identity, such as "github:octocat".
	// +kubebuilder:validation:MinLength=1
	User string `json:"user"`
	// Role is what the person may do; "member" when empty.
	// +kubebuilder:validation:Enum=owner;admin;member
	// +kubebuilder:default=member
	// +optional
	Role Role `json:"role,omitempty"`
}

// Role is what a member may do in a team.
type Role string

// The roles, most powerful first.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// TeamList is a list of teams.
//
// +kubebuilder:object:root=true
type TeamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Team `json:"items"`
}
