package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/base"
	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/helm"
	"catalyst.dev/catalyst/render/image"
	"catalyst.dev/catalyst/render/kustomize"
	"catalyst.dev/catalyst/render/plain"
	"catalyst.dev/catalyst/render/policy"
)

// template renders by the template's type.
func (j *job) template(ctx context.Context, out *Output) error {
	switch j.tmpl.Type {
	case v1alpha1.TemplateDockerCompose:
		return j.compose(ctx, out)
	case v1alpha1.TemplateHelm:
		return j.helm(ctx, out)
	case v1alpha1.TemplateKustomize:
		return j.kustomize(ctx, out)
	case v1alpha1.TemplateManifest:
		return j.plain(ctx, out)
	case v1alpha1.TemplatePrebuilt:
		return j.prebuilt(ctx, out)
	}
	return j.problem("type", fmt.Sprintf("template type %q cannot be rendered by this version", j.tmpl.Type),
		"use docker-compose, helm, kustomize, manifest or prebuilt")
}

func (j *job) compose(ctx context.Context, out *Output) error {
	tree, path, err := j.located()
	if err != nil {
		return err
	}
	images, err := j.composeImages()
	if err != nil {
		return err
	}
	p := j.in.Platform.Spec
	in := compose.Input{
		Source: tree, Path: path, ProjectName: j.namespace, RepositoryURL: j.source.RepositoryURL, CommitSHA: j.commit(""),
		SeedImage: p.Storage.SeedImage, GitImage: p.Storage.GitImage,
		Values: j.values, Variables: j.variables, Images: images,
		Host: j.host, TLS: p.Ingress.TLS, IngressClass: p.Ingress.ClassName, ClusterIssuer: p.Ingress.ClusterIssuer,
		StorageClass: p.Storage.ClassName, StorageSize: j.storageSize(),
		Development: j.in.Environment.Spec.DeploymentMode != v1alpha1.ModeProduction,
		DaemonSets:  policy.AllowsKind(j.in.Platform, j.key.Team+"/"+j.key.Project, "DaemonSet.apps"),
		WaitImage:   p.WaitImage,
		SecretNames: j.in.SecretNames, Report: &out.Report,
		Quota: base.Quota(j.in.Platform, j.in.Project), ContainerDefaults: base.ContainerDefaults(j.in.Platform, j.in.Project),
		Privileged: p.Policy.Level(j.key.Team+"/"+j.key.Project) == v1alpha1.PodSecurityPrivileged,
	}
	if p.Registry != "" {
		in.BuildImage = j.buildImage
	}
	result, err := compose.Render(ctx, in)
	if err != nil {
		return err
	}
	out.Objects, out.URL = result.Objects, result.URL
	return nil
}

func (j *job) helm(ctx context.Context, out *Output) error {
	tree, path, err := j.located()
	if err != nil {
		return err
	}
	if err := j.setHelmImages(); err != nil {
		return err
	}
	cluster := j.in.Platform.Spec.Cluster
	result, err := helm.Render(ctx, helm.Input{
		Source: tree, Path: path, Values: j.values, ValuesFiles: j.tmpl.ValuesFiles,
		ReleaseName: j.releaseName(), Namespace: j.namespace,
		KubeVersion: cluster.KubeVersion, APIVersions: cluster.APIVersions, Report: &out.Report,
	})
	if err != nil {
		return err
	}
	out.Objects, out.Unstable = result.Objects, result.Unstable
	return nil
}

// releaseName is the namespace, cut to the 53 characters that Helm allows.
func (j *job) releaseName() string {
	const most = 53
	if len(j.namespace) <= most {
		return j.namespace
	}
	sum := sha256.Sum256([]byte(j.namespace))
	return j.namespace[:most-6] + "-" + hex.EncodeToString(sum[:])[:5]
}

func (j *job) kustomize(ctx context.Context, out *Output) error {
	tree, path, err := j.located()
	if err != nil {
		return err
	}
	images, err := j.kustomizeImages()
	if err != nil {
		return err
	}
	out.Objects, err = kustomize.Render(ctx, kustomize.Input{Source: tree, Path: path, Images: images, Report: &out.Report})
	return err
}

func (j *job) plain(ctx context.Context, out *Output) error {
	tree, path, err := j.located()
	if err != nil {
		return err
	}
	out.Objects, err = plain.Render(ctx, plain.Input{Source: tree, Path: path, Report: &out.Report})
	if err != nil {
		return err
	}
	images, err := j.kustomizeImages()
	if err != nil {
		return err
	}
	setImages(out.Objects, images)
	return nil
}

func (j *job) prebuilt(ctx context.Context, out *Output) error {
	ref, err := j.reference("", "")
	if err != nil {
		return err
	}
	if ref == "" {
		return j.problem("config.image", "a prebuilt template needs an image", "set config.image in the template or the environment")
	}
	p := j.in.Platform.Spec
	result, err := image.Render(ctx, image.Input{
		Name: j.key.Project, Host: j.host, TLS: p.Ingress.TLS,
		IngressClass: p.Ingress.ClassName, ClusterIssuer: p.Ingress.ClusterIssuer,
		Image: ref, Config: j.config, StorageClass: p.Storage.ClassName, StorageSize: j.storageSize(),
		SecretNames: j.in.SecretNames, Report: &out.Report,
	})
	if err != nil {
		return err
	}
	out.Objects, out.URL = result.Objects, result.URL
	return nil
}

func (j *job) storageSize() resource.Quantity {
	if size := j.in.Platform.Spec.Storage.Size; size != nil {
		return *size
	}
	return resource.MustParse("1Gi")
}
