package compose

import "catalyst.dev/catalyst/render/manifest"

// Short names, for the tables below only.
const (
	translated   = manifest.Translated
	approximated = manifest.Approximated
	ignored      = manifest.Ignored
	refused      = manifest.Refused
)

const (
	nodeMatter  = "a matter of the node, which Kubernetes decides"
	laptop      = "for work on a laptop only"
	dockerOnly  = "Docker's own; Kubernetes has no such thing"
	ofTheBuild  = "read by the image's build; rendering only names the image"
	podNetwork  = "pods get their addresses and interfaces from the cluster"
	hostOnly    = "refused where it reaches the node, unless the policy allows it"
	fileOwner   = "the file belongs to root; its mode lets the container read it"
	kubeRollout = "Kubernetes has its own way to watch a rollout; a rollback is a revert commit"
)

// topLevelKeys hold the verdict on every key of the Compose specification outside services.
func topLevelKeys() []KeyVerdict {
	return []KeyVerdict{
		{"version", ignored, "obsolete, as Compose says itself"},
		{"name", translated, "the environment's namespace takes its place"},
		{"include", translated, "files of the repository; a remote one is refused"},
		{"include.path", translated, "the included files"},
		{"include.env_file", translated, "the variables of the included files"},
		{"include.project_directory", translated, "the folder that their paths start from"},
		{"services", translated, "workload, Service and what they need"},
		{"jobs.**", ignored, "jobs that are started by hand or by a schedule are not translated: make it a service with restart: \"no\""},

		{"models", translated, "values.models names the endpoint; refused without it"},
		{"models.*.name", ignored, "the endpoint decides"},
		{"models.*.model", translated, "the model's variable, where values.models names no other"},
		{"models.*.context_size", ignored, "the endpoint decides"},
		{"models.*.runtime_flags", ignored, "the endpoint decides"},

		{"networks", translated, "NetworkPolicies, where there are several"},
		{"networks.*.name", ignored, "the cluster has one network"},
		{"networks.*.driver", ignored, "the cluster has one network"},
		{"networks.*.driver_opts", ignored, "the cluster has one network"},
		{"networks.*.ipam.**", ignored, podNetwork},
		{"networks.*.external", approximated, "the environment's own network takes its place"},
		{"networks.*.external.name", ignored, "the environment's own network takes its place"},
		{"networks.*.internal", translated, "a NetworkPolicy without egress"},
		{"networks.*.enable_ipv4", ignored, podNetwork},
		{"networks.*.enable_ipv6", ignored, podNetwork},
		{"networks.*.attachable", ignored, "nothing outside the environment attaches to it"},
		{"networks.*.labels", ignored, "there is no object to carry them"},

		{"volumes", translated, "PersistentVolumeClaim"},
		{"volumes.*.name", ignored, "the claim has the volume's key as its name"},
		{"volumes.*.driver", ignored, "the storage class decides"},
		{"volumes.*.driver_opts", approximated, "tmpfs becomes memory; anything else is the storage class's to decide"},
		{"volumes.*.external", approximated, "a claim of the environment's own takes its place"},
		{"volumes.*.external.name", ignored, "a claim of the environment's own takes its place"},
		{"volumes.*.labels", translated, "size and class of the claim; its labels"},

		{"secrets", translated, "a sealed Secret"},
		{"secrets.*.name", translated, "the name in the secret store"},
		{"secrets.*.environment", translated, "a project variable, never one of the server"},
		{"secrets.*.file", translated, "a file of the repository, sealed; a value of the secret store where it is not committed"},
		{"secrets.*.external", translated, "a value of the secret store; refused when it is not there"},
		{"secrets.*.external.name", translated, "the name in the secret store"},
		{"secrets.*.labels", ignored, "the sealed Secret carries Catalyst's labels only"},
		{"secrets.*.driver", refused, "secret drivers are plugins of Docker: give a file, or use the secret store"},
		{"secrets.*.driver_opts", refused, "secret drivers are plugins of Docker: give a file, or use the secret store"},
		{"secrets.*.template_driver", refused, "templates are Swarm's: write the text out"},

		{"configs", translated, "ConfigMap, or a sealed Secret where the text holds a secret"},
		{"configs.*.name", ignored, "the ConfigMap's name carries a hash of its content"},
		{"configs.*.content", translated, "the file's text"},
		{"configs.*.environment", translated, "a project variable, never one of the server"},
		{"configs.*.file", translated, "a file of the repository"},
		{"configs.*.external", translated, "a value of the secret store; refused when it is not there"},
		{"configs.*.external.name", translated, "the name in the secret store"},
		{"configs.*.labels", ignored, "the ConfigMap carries Catalyst's labels only"},
		{"configs.*.template_driver", refused, "templates are Swarm's: write the text out"},
	}
}

// serviceKeys hold the verdict on every key of a service, relative to it.
func serviceKeys() []KeyVerdict {
	var keys []KeyVerdict
	for _, group := range [][]KeyVerdict{imageKeys(), processKeys(), networkKeys(), storageKeys(), resourceKeys(), securityKeys(), deployKeys()} {
		keys = append(keys, group...)
	}
	return keys
}

func imageKeys() []KeyVerdict {
	keys := []KeyVerdict{
		{"image", translated, "the container's image, pinned to its digest where it is known"},
		{"platform", translated, "node selector on kubernetes.io/os and arch"},
		{"pull_policy", translated, "imagePullPolicy; never, daily, weekly and every_… are IfNotPresent, and reported"},
		{"pull_refresh_after", approximated, "an image is pulled when its reference changes"},
		{"build", translated, "the image that the build pushes: registry/team/project/service:commit"},
		{"build.entitlements", refused, "a privileged build is not allowed"},
		{"build.privileged", refused, "a privileged build is not allowed"},
		{"build.ssh", refused, "builds have no SSH agent: fetch with a build secret"},
		{"build.network", translated, ofTheBuild + "; host is refused"},
		{"provider.**", approximated, "the image of values.services.<service>.image runs in its place; refused without one"},
		{"extends", translated, "the other service's keys, of files in the repository"},
		{"extends.service", translated, "the service that is extended"},
		{"extends.file", translated, "a file of the repository"},
		{"profiles", translated, "values.profiles, else COMPOSE_PROFILES of .env, says which are on"},
		{"develop", ignored, laptop},
		{"develop.**", ignored, laptop},
		{"attach", ignored, laptop},
	}
	for _, name := range []string{"context", "dockerfile", "dockerfile_inline", "args", "labels", "cache_from", "cache_to", "no_cache", "no_cache_filter",
		"additional_contexts", "provenance", "sbom", "pull", "target", "shm_size", "extra_hosts", "isolation", "secrets", "secrets.source",
		"secrets.target", "secrets.uid", "secrets.gid", "secrets.mode", "tags", "ulimits", "ulimits.*.hard", "ulimits.*.soft", "platforms"} {
		keys = append(keys, KeyVerdict{"build." + name, translated, ofTheBuild})
	}
	return keys
}

func processKeys() []KeyVerdict {
	keys := []KeyVerdict{
		{"command", translated, "args"},
		{"entrypoint", translated, "command"},
		{"working_dir", translated, "workingDir"},
		{"stdin_open", translated, "stdin"},
		{"tty", translated, "tty"},
		{"init", approximated, "the pod's own first process reaps zombies: shareProcessNamespace"},
		{"environment", translated, "env; values that look like secrets go through a sealed Secret"},
		{"env_file", translated, "env, below environment"},
		{"env_file.path", translated, "a file of the repository"},
		{"env_file.format", translated, "raw takes the lines as they are"},
		{"env_file.required", translated, "false lets the file be missing"},
		{"labels", translated, "annotations of the pod"},
		{"label_file", translated, "annotations of the pod, below labels"},
		{"annotations", translated, "annotations of the pod"},
		{"healthcheck", translated, "readiness probe; never liveness, as Docker does not restart what is unhealthy"},
		{"healthcheck.test", translated, "the probe's command"},
		{"healthcheck.disable", translated, "no probe"},
		{"healthcheck.interval", translated, "periodSeconds"},
		{"healthcheck.timeout", translated, "timeoutSeconds"},
		{"healthcheck.retries", translated, "failureThreshold"},
		{"healthcheck.start_period", translated, "startup probe"},
		{"healthcheck.start_interval", translated, "periodSeconds of the startup probe"},
		{"depends_on", translated, "an init container that waits, at each start of the pod"},
		{"depends_on.*.condition", translated, "what is waited for; a service that completes is a Job of an earlier sync wave"},
		{"depends_on.*.required", translated, "false lets the dependency be missing"},
		{"depends_on.*.restart", translated, "a checksum of the dependency on the pod: it restarts when the dependency's definition changes"},
		{"restart", translated, "Deployment; Job for what runs to its end"},
		{"stop_grace_period", translated, "terminationGracePeriodSeconds"},
		{"stop_signal", approximated, "the image's own stop signal is used"},
		{"pre_start", translated, "init containers; a Job of an earlier sync wave without per_replica"},
		{"pre_start.per_replica", translated, "init container of each pod"},
		{"pre_start.**", ignored, "of the keys of a pre_start container, image, command, entrypoint, user, working_dir, environment, env_file, volumes and per_replica are translated"},
		{"models", translated, "variables with the endpoint of values.models; refused without it"},
		{"models.*.endpoint_var", translated, "name of the variable with the URL"},
		{"models.*.model_var", translated, "name of the variable with the model"},
		{"logging", ignored, "the cluster collects what containers print"},
		{"logging.driver", ignored, "the cluster collects what containers print"},
		{"logging.options", ignored, "the cluster collects what containers print"},
		{"umask", ignored, dockerOnly},
	}
	for _, name := range []string{"image", "command", "entrypoint", "user", "working_dir", "environment", "env_file", "env_file.path", "env_file.format", "env_file.required", "volumes"} {
		keys = append(keys, KeyVerdict{"pre_start." + name, translated, "as the service's"})
	}
	for _, hook := range []string{"post_start", "pre_stop"} {
		keys = append(keys,
			KeyVerdict{hook, translated, "lifecycle hook; several are one script"},
			KeyVerdict{hook + ".command", translated, "the hook's command"},
			KeyVerdict{hook + ".user", approximated, "the hook runs as the container's user"},
			KeyVerdict{hook + ".privileged", approximated, "the hook runs with the container's privileges"},
			KeyVerdict{hook + ".working_dir", translated, "the hook changes to the folder first"},
			KeyVerdict{hook + ".environment", translated, "set for the hook's command"})
	}
	return keys
}

func networkKeys() []KeyVerdict {
	return []KeyVerdict{
		{"ports", translated, "ports of the Service; a web port gets an Ingress"},
		{"ports.target", translated, "container port and port of the Service"},
		{"ports.published", translated, "a second port of the Service, where it differs and is free"},
		{"ports.protocol", translated, "protocol"},
		{"ports.name", translated, "name of the port"},
		{"ports.app_protocol", translated, "appProtocol"},
		{"ports.host_ip", translated, "a loopback address gets no Ingress"},
		{"ports.mode", ignored, "ports are published by the Ingress"},
		{"expose", translated, "ports of the Service"},
		{"container_name", translated, "a second Service, so that the name resolves"},
		{"hostname", translated, "hostname of the pod, and a second Service"},
		{"domainname", approximated, "the cluster's DNS has its own domain"},
		{"networks", translated, "NetworkPolicies, where there are several"},
		{"networks.*.aliases", translated, "a Service each"},
		{"networks.*.use_service_name_alias", ignored, "a service's name always resolves"},
		{"networks.*.interface_name", ignored, podNetwork},
		{"networks.*.ipv4_address", ignored, podNetwork + ": name the service instead"},
		{"networks.*.ipv6_address", ignored, podNetwork + ": name the service instead"},
		{"networks.*.link_local_ips", ignored, podNetwork},
		{"networks.*.mac_address", ignored, podNetwork},
		{"networks.*.driver_opts", ignored, podNetwork},
		{"networks.*.priority", ignored, podNetwork},
		{"networks.*.gw_priority", ignored, podNetwork},
		{"network_mode", translated, "none closes the pod off, service:… shares the pod; host is " + hostOnly},
		{"links", translated, "a Service for each alias"},
		{"external_links", approximated, "containers outside the application are out of reach"},
		{"extra_hosts", translated, "hostAliases"},
		{"dns", translated, "dnsConfig, beside the cluster's own DNS"},
		{"dns_opt", translated, "dnsConfig"},
		{"dns_search", translated, "dnsConfig"},
		{"mac_address", ignored, podNetwork},
	}
}

func storageKeys() []KeyVerdict {
	return []KeyVerdict{
		{"volumes", translated, "claims, ConfigMaps of repository files, memory; paths of the host are " + hostOnly},
		{"volumes.type", translated, "volume, bind, tmpfs; npipe and cluster are refused"},
		{"volumes.source", translated, "the claim, or the file of the repository"},
		{"volumes.target", translated, "mountPath"},
		{"volumes.read_only", translated, "readOnly"},
		{"volumes.consistency", ignored, laptop},
		{"volumes.bind", translated, "a bind of a file or folder of the repository"},
		{"volumes.bind.propagation", ignored, nodeMatter},
		{"volumes.bind.create_host_path", ignored, "there is no host folder to create"},
		{"volumes.bind.recursive", ignored, nodeMatter},
		{"volumes.bind.selinux", ignored, nodeMatter},
		{"volumes.volume", translated, "a named volume"},
		{"volumes.volume.labels", translated, "labels of the claim"},
		{"volumes.volume.nocopy", translated, "an empty volume is not filled from the image"},
		{"volumes.volume.subpath", translated, "subPath"},
		{"volumes.tmpfs", translated, "emptyDir in memory"},
		{"volumes.tmpfs.size", translated, "sizeLimit"},
		{"volumes.tmpfs.mode", approximated, "everybody may write to it"},
		{"volumes.image", approximated, "an image volume, which needs a recent cluster"},
		{"volumes.image.subpath", approximated, "an image volume, which needs a recent cluster"},
		{"volumes_from", approximated, "the other service's volumes are mounted here too"},
		{"tmpfs", translated, "emptyDir in memory"},
		{"shm_size", translated, "emptyDir in memory at /dev/shm"},
		{"configs", translated, "a file from a ConfigMap"},
		{"configs.source", translated, "the config"},
		{"configs.target", translated, "mountPath"},
		{"configs.uid", approximated, fileOwner},
		{"configs.gid", approximated, fileOwner},
		{"configs.mode", translated, "mode of the file"},
		{"secrets", translated, "a file from a sealed Secret"},
		{"secrets.source", translated, "the secret"},
		{"secrets.target", translated, "mountPath, below /run/secrets"},
		{"secrets.uid", approximated, fileOwner},
		{"secrets.gid", approximated, fileOwner},
		{"secrets.mode", translated, "mode of the file"},
		{"storage_opt", ignored, nodeMatter},
	}
}

func resourceKeys() []KeyVerdict {
	keys := []KeyVerdict{
		{"cpus", translated, "CPU limit"},
		{"cpu_count", translated, "CPU limit"},
		{"cpu_quota", translated, "CPU limit, with cpu_period"},
		{"cpu_period", translated, "CPU limit, with cpu_quota"},
		{"cpu_percent", approximated, "read as per cent of one CPU: the CPU limit"},
		{"cpu_shares", approximated, "1024 shares are read as a request of one CPU"},
		{"mem_limit", translated, "memory limit"},
		{"mem_reservation", translated, "memory request"},
		{"pids_limit", approximated, "the cluster limits processes, not the pod"},
		{"ulimits", approximated, "the node's limits hold: Kubernetes cannot set them for a pod"},
		{"ulimits.*.hard", approximated, "the node's limits hold: Kubernetes cannot set them for a pod"},
		{"ulimits.*.soft", approximated, "the node's limits hold: Kubernetes cannot set them for a pod"},
		{"gpus", translated, "limit of nvidia.com/gpu, or of the driver's vendor"},
		{"gpus.count", translated, "how many; all is one, and reported"},
		{"gpus.driver", translated, "nvidia, amd or intel"},
		{"gpus.capabilities", ignored, "the vendor's device plugin decides"},
		{"gpus.device_ids", approximated, "as many devices, not these"},
		{"gpus.options", ignored, "the vendor's device plugin decides"},
		{"scale", translated, "replicas"},
	}
	for _, name := range []string{"cpu_rt_period", "cpu_rt_runtime", "cpuset", "memswap_limit", "mem_swappiness", "oom_kill_disable", "oom_score_adj",
		"blkio_config.**", "cgroup_parent", "device_cgroup_rules"} {
		keys = append(keys, KeyVerdict{name, ignored, nodeMatter})
	}
	return keys
}

func securityKeys() []KeyVerdict {
	return []KeyVerdict{
		{"user", translated, "runAsUser and runAsGroup; a name is the image's to resolve, and reported"},
		{"group_add", translated, "supplementalGroups; a name is reported"},
		{"read_only", translated, "readOnlyRootFilesystem"},
		{"cap_add", translated, "capabilities; those beyond the baseline Pod Security Standard are " + hostOnly},
		{"cap_drop", translated, "capabilities"},
		{"security_opt", translated, "no-new-privileges, seccomp and AppArmor; unconfined is " + hostOnly},
		{"sysctls", translated, "sysctls of the pod; unsafe ones are " + hostOnly},
		{"privileged", refused, "reaches out of the container into the node; the policy can allow it"},
		{"devices", refused, "reach the node's devices; the policy can allow them"},
		{"devices.source", refused, "reach the node's devices; the policy can allow them"},
		{"devices.target", refused, "reach the node's devices; the policy can allow them"},
		{"devices.permissions", refused, "reach the node's devices; the policy can allow them"},
		{"use_api_socket", refused, "the Docker socket gives the whole node away; the policy can allow it"},
		{"pid", approximated, "each pod has its own processes; host is " + hostOnly},
		{"ipc", approximated, "each pod has its own; host is " + hostOnly},
		{"userns_mode", approximated, nodeMatter + "; host is " + hostOnly},
		{"uts", ignored, nodeMatter + "; host is " + hostOnly},
		{"cgroup", ignored, nodeMatter + "; host is " + hostOnly},
		{"runtime", approximated, "the cluster's container runtime runs it"},
		{"isolation", ignored, dockerOnly},
		{"credential_spec.**", ignored, dockerOnly},
	}
}

func deployKeys() []KeyVerdict {
	keys := []KeyVerdict{
		{"deploy", translated, "the workload"},
		{"deploy.mode", translated, "Deployment, DaemonSet or Job"},
		{"deploy.endpoint_mode", translated, "dnsrr is a headless Service"},
		{"deploy.replicas", translated, "replicas; one where the volume is for one pod"},
		{"deploy.labels", translated, "labels of the workload, where Kubernetes takes them"},
		{"deploy.update_config", translated, "strategy"},
		{"deploy.update_config.parallelism", translated, "maxSurge or maxUnavailable"},
		{"deploy.update_config.delay", translated, "minReadySeconds"},
		{"deploy.update_config.order", translated, "start-first surges, stop-first does not"},
		{"deploy.rollback_config.**", ignored, kubeRollout},
		{"deploy.resources", translated, "limits and requests"},
		{"deploy.resources.limits", translated, "limits"},
		{"deploy.resources.limits.cpus", translated, "CPU limit"},
		{"deploy.resources.limits.memory", translated, "memory limit"},
		{"deploy.resources.limits.pids", approximated, "the cluster limits processes, not the pod"},
		{"deploy.resources.reservations", translated, "requests"},
		{"deploy.resources.reservations.cpus", translated, "CPU request"},
		{"deploy.resources.reservations.memory", translated, "memory request"},
		{"deploy.resources.reservations.generic_resources.**", ignored, "Swarm's own: ask for devices"},
		{"deploy.resources.reservations.devices", translated, "limit of nvidia.com/gpu, or of the driver's vendor"},
		{"deploy.resources.reservations.devices.count", translated, "how many; all is one, and reported"},
		{"deploy.resources.reservations.devices.driver", translated, "nvidia, amd or intel"},
		{"deploy.resources.reservations.devices.capabilities", ignored, "the vendor's device plugin decides"},
		{"deploy.resources.reservations.devices.device_ids", approximated, "as many devices, not these"},
		{"deploy.resources.reservations.devices.options", ignored, "the vendor's device plugin decides"},
		{"deploy.restart_policy", translated, "Deployment or Job"},
		{"deploy.restart_policy.condition", translated, "Deployment or Job"},
		{"deploy.restart_policy.max_attempts", translated, "backoffLimit of a Job"},
		{"deploy.restart_policy.delay", ignored, "Kubernetes waits longer after each failure"},
		{"deploy.restart_policy.window", ignored, "Kubernetes waits longer after each failure"},
		{"deploy.placement", translated, "where the pods may run"},
		{"deploy.placement.constraints", translated, "node affinity"},
		{"deploy.placement.preferences", translated, "topology spread"},
		{"deploy.placement.preferences.spread", translated, "topology spread"},
		{"deploy.placement.max_replicas_per_node", translated, "pod anti-affinity"},
	}
	for _, name := range []string{"failure_action", "monitor", "max_failure_ratio"} {
		keys = append(keys, KeyVerdict{"deploy.update_config." + name, ignored, kubeRollout})
	}
	return keys
}
