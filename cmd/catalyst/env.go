package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/server"
)

func newEnvironment(p *program) *cobra.Command {
	cmd := &cobra.Command{Use: "env", Short: "Environments: list, get, history",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Example: "  catalyst env list\n  catalyst env get acme/shop/pr-12 -o yaml\n  catalyst env history acme/shop/pr-12"}
	c := &apiClient{}
	c.register(p, cmd)
	var output string
	cmd.PersistentFlags().StringVarP(&output, "output", "o", "table", "table, json or yaml")
	if err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is registered above
	}
	show := func(v any, table func(*tabwriter.Writer)) error { return p.show(output, v, table) }
	cmd.AddCommand(environmentList(c, show), environmentGet(c, show), environmentHistory(c, show))
	return cmd
}

type shower func(v any, table func(*tabwriter.Writer)) error

// show prints an answer in the form that was asked for.
func (p *program) show(output string, v any, table func(*tabwriter.Writer)) error {
	switch output {
	case "table":
		w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
		table(w)
		return w.Flush()
	case "json":
		e := json.NewEncoder(p.Out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		data, err := yaml.Marshal(v)
		if err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
		_, err = p.Out.Write(data)
		return err
	}
	return fmt.Errorf("--output %s: not table, json or yaml", output)
}

func environmentList(c *apiClient, show shower) *cobra.Command {
	var team, project string
	cmd := &cobra.Command{
		Use: "list", Short: "List environments", Args: cobra.NoArgs,
		Example: "  catalyst env list --team acme\n  catalyst env list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := server.List[server.Environment]{Items: []server.Environment{}}
			for next := ""; ; {
				query := url.Values{"team": {team}, "project": {project}, "continue": {next}}
				var page server.List[server.Environment]
				if err := c.get(cmd.Context(), "/api/v1/environments?"+query.Encode(), &page); err != nil {
					return err
				}
				all.Items, all.Broken = append(all.Items, page.Items...), page.Broken
				if next = page.Continue; next == "" {
					break
				}
			}
			return show(all, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ENVIRONMENT\tTYPE\tPHASE\tCOMMIT\tURL")
				for _, e := range all.Items {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Key, e.Spec.Type, e.Phase, commitOf(e), e.URL)
				}
				if err := w.Flush(); err != nil || len(all.Broken) == 0 {
					return // the caller's flush tells of the error
				}
				fmt.Fprintln(w, "\nThese files of the environments repository cannot be used; what they describe is missing or not up to date:")
				for _, b := range all.Broken {
					fmt.Fprintf(w, "  %s: %s\n", b.Path, strings.ReplaceAll(b.Error, "\n", "\n  "+b.Path+": "))
				}
			})
		},
	}
	cmd.Flags().StringVar(&team, "team", "", "only this team's")
	cmd.Flags().StringVar(&project, "project", "", "only this project's")
	return cmd
}

// commitOf is the short source revision of an environment.
func commitOf(e server.Environment) string {
	for _, s := range e.Spec.Sources {
		if s.CommitSHA != "" {
			return s.CommitSHA[:min(7, len(s.CommitSHA))]
		}
	}
	return ""
}

// environments completes the name of an environment from what the server has.
func (c *apiClient) environments(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var page server.List[server.Environment]
	if len(args) > 0 || c.get(cmd.Context(), "/api/v1/environments?limit=500&"+url.Values{"q": {begun}}.Encode(), &page) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, e := range page.Items {
		if strings.HasPrefix(e.Key, begun) {
			names = append(names, e.Key)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// environmentPath is the API's path of an environment; the name is checked first.
func environmentPath(name string) (string, error) {
	if _, ok := v1alpha1.ParseEnvironmentKey(name); !ok {
		return "", hinted{fmt.Errorf("%q is not an environment", name), "write it as team/project/environment"}
	}
	return "/api/v1/environments/" + name, nil
}

func environmentGet(c *apiClient, show shower) *cobra.Command {
	return &cobra.Command{
		Use: "get TEAM/PROJECT/ENVIRONMENT", Short: "Show one environment", Args: cobra.ExactArgs(1), ValidArgsFunction: c.environments,
		Example: "  catalyst env get acme/shop/pr-12",
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := environmentPath(args[0])
			if err != nil {
				return err
			}
			var e server.Environment
			if err := c.get(cmd.Context(), path, &e); err != nil {
				return err
			}
			return show(e, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "Environment:\t%s\nNamespace:\t%s\nType:\t%s\nPhase:\t%s\nURL:\t%s\n", e.Key, e.Namespace, e.Spec.Type, e.Phase, e.URL)
				for _, s := range e.Spec.Sources {
					fmt.Fprintf(w, "Source:\t%s %s %s\n", s.Name, s.Branch, s.CommitSHA)
				}
				for _, condition := range e.Conditions {
					if condition.Reason == "InvalidFile" {
						fmt.Fprintf(w, "Broken:\t%s\n", strings.ReplaceAll(condition.Message, "\n", "\n\t"))
					}
				}
				if e.Outcome != nil {
					fmt.Fprintf(w, "Outcome:\t%s %s\n", e.Outcome.State, strings.ReplaceAll(e.Outcome.Message, "\n", " "))
				}
			})
		},
	}
}

func environmentHistory(c *apiClient, show shower) *cobra.Command {
	return &cobra.Command{
		Use: "history TEAM/PROJECT/ENVIRONMENT", Short: "Show the commits that changed an environment, newest first", Args: cobra.ExactArgs(1),
		ValidArgsFunction: c.environments,
		Example:           "  catalyst env history acme/shop/pr-12",
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := environmentPath(args[0])
			if err != nil {
				return err
			}
			var changes server.List[server.Change]
			if err := c.get(cmd.Context(), path+"/history", &changes); err != nil {
				return err
			}
			return show(changes, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "REVISION\tWHEN\tACTION\tACTOR\tCOMMIT\tSUBJECT")
				for _, h := range changes.Items {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Revision[:min(7, len(h.Revision))], h.At.Format("2006-01-02 15:04:05"),
						h.Action, h.Actor, h.SourceSHA[:min(7, len(h.SourceSHA))], h.Subject)
				}
			})
		},
	}
}
