package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// keyUse is a key with its owners: ops and statements that have it with the same meaning.
type keyUse struct {
	slot   slot
	owners []string
}

// keyUses lists the owners of a key.
func keyUses(name string) []keyUse {
	var uses []keyUse
	add := func(owner string, s slot) {
		if s.name != name {
			return
		}
		i := slices.IndexFunc(uses, func(u keyUse) bool {
			return u.slot.kind.want == s.kind.want && u.slot.standard == s.standard && u.slot.doc == s.doc
		})
		if i < 0 {
			i, uses = len(uses), append(uses, keyUse{slot: s})
		}
		uses[i].owners = append(uses[i].owners, owner)
	}
	eachKey(add)
	return uses
}

// eachKey calls f with the keys of all ops, joins and statements.
func eachKey(f func(owner string, s slot)) {
	for _, n := range formNames() {
		for _, s := range forms()[n].keys {
			f(n, s)
		}
	}
	for _, p := range statementPages() {
		for _, s := range p.keys {
			f(p.name, s)
		}
	}
	for _, t := range trainTable {
		for _, k := range t.keys {
			f(t.name, k.slot)
		}
	}
}

// keyNames lists the keys that have no page of their own under another meaning.
func keyNames() []string {
	var names []string
	eachKey(func(_ string, s slot) { names = append(names, s.name) })
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool {
		_, ok := explainWord(n)
		return ok
	})
}

// explainKey is the page about a key.
func explainKey(name string) (text string, ok bool) {
	uses := keyUses(name)
	if len(uses) == 0 {
		return "", false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s=VALUE\n\nA key of %s.\n", name, ownersText(uses))
	for _, u := range uses {
		b.WriteString(explainSlots(strings.TrimSuffix(fill(strings.Join(u.owners, ", "), 78), "\n"), []slot{u.slot}))
	}
	first := uses[0].owners[0]
	fmt.Fprintf(&b, "\n  incc explain %s\n", first)
	return b.String(), true
}

// alsoKey says of a word with another page that it is a key, too.
func alsoKey(name string) string {
	uses := keyUses(name)
	for i := range uses {
		uses[i].owners = slices.DeleteFunc(uses[i].owners, func(s string) bool { return s == name })
	}
	if uses = slices.DeleteFunc(uses, func(u keyUse) bool { return len(u.owners) == 0 }); len(uses) == 0 {
		return ""
	}
	return "\n" + fill(fmt.Sprintf("%s is also a key of %s.", name, ownersText(uses)), 80)
}

// ownersText lists the owners of all uses, of many only the first.
func ownersText(uses []keyUse) string {
	const most = 8
	var l []string
	for _, u := range uses {
		l = append(l, u.owners...)
	}
	if more := len(l) - most; more > 1 {
		return fmt.Sprintf("%s and %d others", strings.Join(l[:most], ", "), more)
	}
	if n := len(l) - 1; n > 0 {
		return strings.Join(l[:n], ", ") + " and " + l[n]
	}
	return l[0]
}
