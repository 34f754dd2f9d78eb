package permission

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const path = "../../../docs/cluster-permissions.md"

// page is docs/cluster-permissions.md.
func page() string {
	var b strings.Builder
	b.WriteString(`# What a client of the cluster may do

Each role needs these subjects of its account, and no others; a client with several roles has those of all. The names
are of a queue, set or variable ` + "`orders`" + `. In subjects a name's letters, digits, - and _ stand for themselves, other bytes for
their number: ` + "`run/nightly` is `run=2Fnightly`" + `. With a JetStream domain ` + "`$JS.API.` is `$JS.DOMAIN.API.`" + `.

What is refused is an error that names the subject, also where servers are asked again until the deadline:
` + "`permission denied on subject \"sysvipc.q.orders.7\"`" + `. ` + "`sysvipcd doctor`" + ` asks for them, but for those
where something would be stored, with a name that nobody has. What is said under "without it" is all that changes then.

The table is made from the one that the tests use: there an account with just these does the role's work, one without
the conveniences too, and one without any other fails.
`)
	table := func(name, what string, needs []Need) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| | subject | for | without it |\n|---|---|---|---|\n", name, what)
		needs = slices.Clone(needs)
		slices.SortStableFunc(needs, func(a, b Need) int { return strings.Compare(a.Without, b.Without) })
		for _, n := range needs {
			way := "publish"
			if n.Subscribe {
				way = "subscribe"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", way, n.In("$JS.API.", "orders"), n.What, n.Without)
		}
	}
	table("every client", "In addition to those of its roles.", Connect)
	for _, r := range Roles {
		table(r.Name, r.What, r.Needs)
	}
	b.WriteString(`
What keeps sets and variables is made by the first client that uses one, which needs to publish to
` + "`$JS.API.STREAM.CREATE.KV_sysvipc`" + `; ` + "`sysvipcd ls` and `doctor`" + ` list streams, for which they publish to
` + "`$JS.API.STREAM.LIST` and `$JS.API.STREAM.NAMES`" + `.
`)
	return b.String()
}

// UPDATE=1 go test ./cluster/internal/permission writes the page.
func TestPage(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != page() {
		t.Error("the page is not that of the tables: UPDATE=1 go test ./cluster/internal/permission")
	}
}
