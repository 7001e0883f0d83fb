package compose

import (
	"strings"

	"catalyst.dev/catalyst/render/manifest"
)

// verdict on a key of a service: what becomes of it, and why where it is not simply translated.
type verdict struct {
	verdict manifest.Verdict
	reason  string
}

const (
	nodeMatter = "a matter of the node, which Kubernetes decides"
	devMatter  = "for work on a laptop only"
	dockerOnly = "Docker's own; Kubernetes has no such thing"
)

// serviceKeys holds the verdict on every key of a service.
var serviceKeys = map[string]verdict{
	"annotations": {manifest.Translated, ""}, "build": {manifest.Translated, ""}, "cap_add": {manifest.Translated, ""},
	"cap_drop": {manifest.Translated, ""}, "command": {manifest.Translated, ""}, "configs": {manifest.Translated, ""},
	"container_name": {manifest.Translated, ""}, "cpu_count": {manifest.Translated, ""}, "cpu_period": {manifest.Translated, ""},
	"cpu_quota": {manifest.Translated, ""}, "cpus": {manifest.Translated, ""}, "depends_on": {manifest.Translated, ""},
	"deploy": {manifest.Translated, ""}, "dns": {manifest.Translated, ""}, "dns_opt": {manifest.Translated, ""},
	"dns_search": {manifest.Translated, ""}, "entrypoint": {manifest.Translated, ""}, "env_file": {manifest.Translated, ""},
	"environment": {manifest.Translated, ""}, "expose": {manifest.Translated, ""}, "extends": {manifest.Translated, ""},
	"extra_hosts": {manifest.Translated, ""}, "group_add": {manifest.Translated, ""}, "healthcheck": {manifest.Translated, ""},
	"hostname": {manifest.Translated, ""}, "image": {manifest.Translated, ""}, "labels": {manifest.Translated, ""},
	"links": {manifest.Translated, ""}, "mem_limit": {manifest.Translated, ""}, "mem_reservation": {manifest.Translated, ""},
	"networks": {manifest.Translated, ""}, "ports": {manifest.Translated, ""}, "post_start": {manifest.Translated, ""},
	"pre_stop": {manifest.Translated, ""}, "profiles": {manifest.Translated, ""}, "pull_policy": {manifest.Translated, ""},
	"read_only": {manifest.Translated, ""}, "restart": {manifest.Translated, ""}, "scale": {manifest.Translated, ""},
	"secrets": {manifest.Translated, ""}, "security_opt": {manifest.Translated, ""}, "shm_size": {manifest.Translated, ""},
	"stdin_open": {manifest.Translated, ""}, "stop_grace_period": {manifest.Translated, ""}, "sysctls": {manifest.Translated, ""},
	"tmpfs": {manifest.Translated, ""}, "tty": {manifest.Translated, ""}, "user": {manifest.Translated, ""},
	"volumes": {manifest.Translated, ""}, "working_dir": {manifest.Translated, ""},

	// Translated where they are harmless, refused where they are not: see refuse.
	"devices": {manifest.Refused, ""}, "ipc": {manifest.Approximated, "each pod has its own"}, "network_mode": {manifest.Approximated, "each environment has one network"},
	"pid": {manifest.Approximated, "each pod has its own"}, "privileged": {manifest.Refused, ""}, "use_api_socket": {manifest.Refused, ""},
	"userns_mode": {manifest.Approximated, nodeMatter}, "uts": {manifest.Approximated, nodeMatter},

	"attach": {manifest.Ignored, devMatter}, "develop": {manifest.Ignored, devMatter},
	"blkio_config": {manifest.Ignored, nodeMatter}, "cgroup": {manifest.Ignored, nodeMatter}, "cgroup_parent": {manifest.Ignored, nodeMatter},
	"cpu_percent": {manifest.Ignored, nodeMatter}, "cpu_rt_period": {manifest.Ignored, nodeMatter}, "cpu_rt_runtime": {manifest.Ignored, nodeMatter},
	"cpu_shares": {manifest.Ignored, "use deploy.resources.reservations.cpus"}, "cpuset": {manifest.Ignored, nodeMatter},
	"credential_spec": {manifest.Ignored, dockerOnly}, "device_cgroup_rules": {manifest.Ignored, nodeMatter}, "domainname": {manifest.Ignored, "the cluster's DNS has its own domain"},
	"external_links": {manifest.Ignored, "containers outside the application are out of reach"}, "gpus": {manifest.Ignored, "graphics cards are not translated yet"},
	"init": {manifest.Ignored, "use an image with an init process if the application leaves zombies"}, "isolation": {manifest.Ignored, dockerOnly},
	"label_file": {manifest.Ignored, "use labels"}, "logging": {manifest.Ignored, "the cluster collects what containers print"},
	"mac_address": {manifest.Ignored, nodeMatter}, "mem_swappiness": {manifest.Ignored, nodeMatter}, "memswap_limit": {manifest.Ignored, nodeMatter},
	"models": {manifest.Ignored, "models are not translated"}, "oom_kill_disable": {manifest.Ignored, nodeMatter}, "oom_score_adj": {manifest.Ignored, nodeMatter},
	"pids_limit": {manifest.Ignored, nodeMatter}, "platform": {manifest.Ignored, "the image's platform must be the nodes'"}, "pre_start": {manifest.Ignored, "use a service that others wait for with service_completed_successfully"},
	"provider": {manifest.Ignored, "providers are not translated: run the service as a container"}, "pull_refresh_after": {manifest.Ignored, "an image is pulled when its tag changes"},
	"runtime": {manifest.Ignored, nodeMatter}, "stop_signal": {manifest.Ignored, "the image's own stop signal is used"}, "storage_opt": {manifest.Ignored, nodeMatter},
	"ulimits": {manifest.Ignored, nodeMatter}, "umask": {manifest.Ignored, dockerOnly}, "volume_driver": {manifest.Ignored, "the storage class decides"},
	"volumes_from": {manifest.Ignored, "name the volumes in both services"},
}

// walkKeys reports every key that is not simply translated. keys is the model as it was written.
func (t *translation) walkKeys(keys map[string]any) {
	services, _ := keys["services"].(map[string]any)
	for _, name := range sortedKeys(services) {
		if _, enabled := t.project.Services[name]; !enabled {
			continue
		}
		svc, _ := services[name].(map[string]any)
		for _, key := range sortedKeys(svc) {
			v, known := serviceKeys[key]
			switch {
			case svc[key] == nil || strings.HasPrefix(key, "x-"):
			case !known:
				t.note(name, key, manifest.Ignored, "not a key that this version knows")
			case v.verdict == manifest.Approximated || v.verdict == manifest.Ignored:
				t.note(name, key, v.verdict, v.reason)
			}
		}
	}
	networks, _ := keys["networks"].(map[string]any)
	if len(networks) > 1 {
		t.in.Report.Add(manifest.Finding{File: t.file, Key: "networks", Verdict: manifest.Approximated,
			Reason: "the services of an environment share one network and reach each other"})
	}
}
