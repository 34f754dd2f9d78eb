package listing

import (
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// ParseFilter reads the argument of --filter:
//
//	either     = both { "||" both }
//	both       = one { "&&" one }
//	one        = "!" one | "(" either ")" | comparison
//	comparison = COLUMN [ OP VALUE ]        OP is = == != < <= > >= ~
//
// A column of yes and no may stand alone.
func ParseFilter(s string) (condition, error) {
	p := &filterParser{text: s}
	c, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.at < len(s) {
		return nil, p.bad("expected && or ||, not %q", s[p.at:])
	}
	return c, nil
}

type filterParser struct {
	text string
	at   int
}

// bad is an error that shows where in the filter it is.
func (p *filterParser) bad(format string, args ...any) error {
	err := cli.Usage(format, args...)
	return cli.Usage("--filter: at character %d: %w\n\t%s\n\t%s^", p.at+1, err, p.text, strings.Repeat(" ", p.at))
}

func (p *filterParser) skip() {
	for p.at < len(p.text) && strings.IndexByte(" \t\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take reads a token if it comes next.
func (p *filterParser) take(token string) bool {
	p.skip()
	if strings.HasPrefix(p.text[p.at:], token) {
		p.at += len(token)
		return true
	}
	return false
}

func (p *filterParser) either() (condition, error) {
	c, err := p.both()
	for err == nil && p.take("||") {
		var next condition
		next, err = p.both()
		c = either{c, next}
	}
	return c, err
}

func (p *filterParser) both() (condition, error) {
	c, err := p.one()
	for err == nil && p.take("&&") {
		var next condition
		next, err = p.one()
		c = both{c, next}
	}
	return c, err
}

func (p *filterParser) one() (condition, error) {
	if p.take("!") {
		c, err := p.one()
		return not{c}, err
	}
	if p.take("(") {
		c, err := p.either()
		if err == nil && !p.take(")") {
			return nil, p.bad("expected a closing parenthesis")
		}
		return c, err
	}
	return p.comparison()
}

func (p *filterParser) comparison() (condition, error) {
	p.skip()
	start := p.at
	name := p.word("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
	if name == "" {
		return nil, p.bad("expected a column, as in nattch=0")
	}
	col, err := ColumnNamed(strings.ToLower(name))
	if err != nil {
		p.at = start
		return nil, p.bad("%w", err)
	}
	c := &comparison{column: col, op: p.operator()}
	if c.op == "" {
		if col.Type != typeBool {
			return nil, p.bad("expected =, !=, <, <=, >, >= or ~ after %s", name)
		}
		c.op, c.want = "=", boolean(true)
		return c, nil
	}
	p.skip()
	start = p.at
	text, quoted, err := p.value()
	if err != nil {
		return nil, err
	}
	if err := c.read(text, quoted); err != nil {
		p.at = start
		return nil, p.bad("%w", err)
	}
	return c, nil
}

// word reads characters of a set.
func (p *filterParser) word(set string) string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(set, p.text[p.at]) >= 0 {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *filterParser) operator() string {
	p.skip()
	for _, op := range []string{"==", "!=", "<=", ">=", "=", "<", ">", "~"} {
		if !p.take(op) {
			continue
		}
		if op == "==" {
			return "="
		}
		return op
	}
	return ""
}

// value reads a quoted string, or all up to a space, a parenthesis, && or ||.
func (p *filterParser) value() (text string, quoted bool, err error) {
	if p.at < len(p.text) && (p.text[p.at] == '\'' || p.text[p.at] == '"') {
		quote := p.text[p.at : p.at+1]
		end := strings.Index(p.text[p.at+1:], quote)
		if end < 0 {
			return "", true, p.bad("no closing %s", quote)
		}
		text = p.text[p.at+1:][:end]
		p.at += end + 2
		return text, true, nil
	}
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\n()", p.text[p.at]) < 0 &&
		!strings.HasPrefix(p.text[p.at:], "&&") && !strings.HasPrefix(p.text[p.at:], "||") {
		p.at++
	}
	if p.at == start {
		return "", false, p.bad("expected a value")
	}
	return p.text[start:p.at], false, nil
}

// read reads the value in the way that the column's type wants.
func (c *comparison) read(s string, quoted bool) (err error) {
	if c.op == "~" {
		if c.match, err = regexp.Compile(s); err != nil {
			return cli.Usage("%q is no regular expression: %w", s, err)
		}
		return nil
	}
	if !quoted && (s == "none" || s == "never") && (c.op == "=" || c.op == "!=") {
		c.want.State = none
		return nil
	}
	switch c.column.Type {
	case typeText:
		c.want.S = s
		return c.readOwner(s)
	case typeNumber:
		c.want.N, err = strconv.ParseInt(s, 10, 64)
		if err != nil {
			return cli.Usage("%q is no number, which %s needs", s, c.column.Name)
		}
	case TypeSize:
		c.want.N, err = arg.ParseSize(s)
	case typeAge:
		d, parseErr := arg.ParseDuration(s)
		c.want.N, err = int64(d/time.Second), parseErr
	case TypeTime:
		c.want.N, err = parseTime(s)
	case typeMode:
		mode, parseErr := arg.ParseMode(s)
		c.want.N, err = int64(mode), parseErr
	case typeKey:
		key, parseErr := ref.ParseKey(s)
		c.want.N, err = int64(key), parseErr
	case typeBool:
		c.want.N, err = parseBool(s)
	}
	return err
}

// readOwner turns "owner=0" into what was meant, and refuses a name that nobody has: no
// object would match, and all would match its opposite.
func (c *comparison) readOwner(s string) error {
	what, byNumber := "user", "uid"
	var err error
	switch c.column.Name {
	case "owner":
		_, err = user.Lookup(s)
	case "group":
		what, byNumber = "group", "gid"
		_, err = user.LookupGroup(s)
	}
	if err == nil {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return cli.Usage("there is no %s %q", what, s)
	}
	c.column, err = ColumnNamed(byNumber)
	c.want = number64(n)
	return err
}

func parseBool(s string) (int64, error) {
	switch s {
	case "yes", "true", "1":
		return 1, nil
	case "no", "false", "0":
		return 0, nil
	}
	return 0, cli.Usage("%q is neither yes nor no", s)
}

// parseTime reads a point in time, in the local zone unless it says otherwise.
func parseTime(s string) (int64, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, cli.Usage("%q is no time: write 2026-01-31, '2026-01-31 12:00', 2026-01-31T12:00:00Z or never", s)
}
