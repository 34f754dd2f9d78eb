package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

func newDoctorCommand() *cobra.Command {
	l := &look{}
	var monitors []string
	cmd := &cobra.Command{
		Use:   "doctor --cluster URL [FLAGS]",
		Short: "Tell what is wrong with a cluster, and what mends it",
		Long: `Tell what is wrong with the servers and with what they keep:

  servers that are away, or of different versions
  objects that fewer than 3 servers of a cluster keep
  replicas that are away or behind
  limits of the account of which 80 % are used
  what the account does not let this client do
  clocks that are more than 2 s away from this machine's
  queues that are nearly full
  queues with messages that nobody drains for 10 minutes
  with --monitor, servers that force nothing to their disks for a while
  (sync_interval)

Clients are not shown sync_interval: --monitor is the URL of a server's monitoring port, and can be
repeated. Nothing is changed, and nothing is mended without you. The exit code is 0 whatever is
found.`,
		Example: `  sysvipcd doctor --cluster nats://a,nats://b,nats://c --monitor http://a:8222
  sysvipcd doctor --cluster nats://a -o json`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: l.run(func(ctx context.Context, cmd *cobra.Command, conn *cluster.Conn, _ []string) error {
			found, err := conn.Diagnose(ctx)
			if err != nil {
				return err
			}
			for _, url := range monitors {
				f, err := diagnoseSync(ctx, url)
				if err != nil {
					return err
				}
				found = append(found, f...)
			}
			return printFindings(cmd.OutOrStdout(), found, l.format)
		}),
	}
	cmd.Flags().StringArrayVar(&monitors, "monitor", nil, "`URL` of a server's monitoring port, as in http://a:8222; can be repeated")
	l.add(cmd)
	return cmd
}

// diagnoseSync asks a server's monitoring port how often it forces messages to the disk.
func diagnoseSync(ctx context.Context, url string) ([]cluster.Finding, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/varz", nil)
	if err != nil {
		return nil, cli.Usage("--monitor %s: %v", url, err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var varz struct {
		Name      string `json:"server_name"`
		JetStream struct {
			Config struct {
				Interval time.Duration `json:"sync_interval"`
				Always   bool          `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&varz); err != nil {
		return nil, fmt.Errorf("%s does not answer as a NATS server's monitoring port: %w", url, err)
	}
	c := varz.JetStream.Config
	if c.Always {
		return nil, nil
	}
	return []cluster.Finding{{
		Check: "sync", Text: fmt.Sprintf("server %s forces messages to its disk every %v: a power cut of all servers loses what came since", varz.Name, c.Interval),
		Remedy: "jetstream { sync_interval: always } in its configuration, if that matters",
	}}, nil
}

func printFindings(w io.Writer, found []cluster.Finding, format string) error {
	severity := func(f *cluster.Finding) string {
		if f.Critical {
			return "critical"
		}
		return "warning"
	}
	if format == "json" {
		d := output.StartDocument(w, "findings")
		for i := range found {
			f := &found[i]
			d.Add(&output.Finding{Check: f.Check, Severity: severity(f), Text: f.Text, Remedy: output.OrNil(f.Remedy)})
		}
		return d.End(nil)
	}
	for i := range found {
		f := &found[i]
		fmt.Fprintf(w, "%s: %s\n", severity(f), terminal.Escape(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "  %s\n", terminal.Escape(f.Remedy))
		}
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(w, "nothing is wrong")
		return err
	}
	return nil
}
