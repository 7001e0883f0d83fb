// Package compose provides the translation of a Docker Compose application into Kubernetes objects.
//
// The Compose file comes from an application repository and is hostile. It is checked, bounded, interpolated and
// cleaned of every path that leaves the repository before compose-go sees it, and nothing is read but Input.Source.
//
// # Rooms
//
// Loading (fileLoader), from files to compose-go's model: composefiles.go finds the files, load.go runs the whole and calls
// compose-go, prepare.go reads and checks one file, include.go and extend.go bring in others, paths.go holds every path inside
// the repository, interpolate.go and envfiles.go know the variables, yamlnode.go works on YAML, order.go checks depends_on,
// fault.go finds the one fault that an error names, source.go reads files.
//
// Translating (translation), in the order of translation.run:
//
//   - all: translation.go has the order of the passes, and what they find
//   - names: names.go, aliases.go, hosts.go (who is named in a text), rename.go, texts.go
//   - ports: ports.go, dockerfile.go (EXPOSE), healthports.go, wellknown.go (what images are known for)
//   - pods: jobs.go, sidecar.go (who shares a pod), network.go (who reaches whom), workload.go (kind, scale, rollout)
//   - storage: storage.go plans every mount, as binds.go, claims.go and boundfiles.go know them; files.go has configs and
//     secrets, seed.go and code.go what volumes start with, copied.go what an image holds already, nodegroups.go who must run
//     on one node, volumes.go and memory.go what pods mount in the end
//   - order: dependencies.go (waits, sync waves)
//   - values: values.go checks the values of template and environment
//   - one pod: pod.go puts it together from environment.go, image.go, probes.go, resources.go, security.go, placement.go,
//     resolver.go, annotations.go and hooks.go; complete.go and initcontainers.go have its helpers, shell.go their words
//   - secrets: secrets.go knows what looks like one, known.go what the application's are; conceal.go takes them out of a
//     pod and sealedconfigs.go out of ConfigMaps
//   - what leads in: service.go, entrance.go (declared.go, hints.go: what the file says of it), ingress.go
//   - the whole: quota.go
//
// Every key of the specification has a verdict in verdict_table.go; verdicts.go reports those of which nothing else did.
// A thing that is converted has a file, and a method on translation; what it approximates or ignores it says by note, what
// it refuses by refuseKey, and goes on, so that one run says all. Tests render whole applications, by the kit of app_test.go,
// and look at the objects.
package compose
