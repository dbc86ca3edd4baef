package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/data"
)

// Identity names everything that decides the numbers of a run: data, engine,
// spec, seed and so on, each with a short value. A checkpoint holds the identity
// of its run; a run with another one does not go on from it.
type Identity map[string]string

// UnmarshalJSON reads an object of strings. incc 0.1 wrote a single string here,
// which does not tell what the run depended on: it is read as an empty identity.
func (id *Identity) UnmarshalJSON(b []byte) error {
	var old string
	if json.Unmarshal(b, &old) == nil {
		*id = nil
		return nil
	}
	return json.Unmarshal(b, (*map[string]string)(id))
}

// Change is one difference of two identities. Was and Is are empty where an
// identity does not have the name.
type Change struct{ Name, Was, Is string }

// changedWords say in words that a value has changed that is a hash, or has one.
var changedWords = map[string]string{
	"data":       "the images changed",
	"spec":       "the spec changed",
	"validation": "the validation images changed",
	"init":       "the initial weights changed",
}

// String describes the change for people, with the first digits of hashes.
func (c Change) String() string {
	was, is := shortHashes(c.Was), shortHashes(c.Is)
	words, ok := changedWords[c.Name]
	switch {
	case c.Was == "":
		return fmt.Sprintf("%s is %s, was not set", c.Name, is)
	case c.Is == "":
		return fmt.Sprintf("%s was %s, is not set", c.Name, was)
	case c.Name == "data" && !Comparable(c.Was, c.Is):
		return "the images cannot be compared: the incc that began the run recorded them in another way"
	case ok && (was != c.Was || is != c.Is):
		return fmt.Sprintf("%s: %s before, %s now", words, was, is)
	}
	return fmt.Sprintf("%s was %s, is %s", c.Name, was, is)
}

// Comparable reports whether two values of an identity name hashes of the same kind: what
// stands before the hash is equal.
func Comparable(a, b string) bool {
	return !hashes.MatchString(a) || !hashes.MatchString(b) || hashes.ReplaceAllString(a, "") == hashes.ReplaceAllString(b, "")
}

var hashes = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// shortHashes shortens the hashes in a text to eight digits.
func shortHashes(text string) string {
	return hashes.ReplaceAllStringFunc(text, func(h string) string { return h[:8] })
}

// always are the names that every identity has now. Earlier versions of incc did not
// record all of them.
var always = []string{"incc", "spec", "data", "images", "validation", "batch", "epochs", "seed", "engine"}

// unrecorded reports whether an identity lacks a name only because an earlier incc did not
// record it. Validation images that are drawn are an exception: it drew others.
func (id Identity) unrecorded(name, is string) bool {
	_, ok := id[name]
	return !ok && len(id) > 0 && slices.Contains(always, name) && !(name == "validation" && strings.Contains(is, " drawn "))
}

// Changes lists what differs from an earlier identity, ordered by name. What the earlier
// one did not record is no change.
func (id Identity) Changes(was Identity) []Change {
	var names []string
	for n := range id {
		names = append(names, n)
	}
	for n := range was {
		if _, ok := id[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var l []Change
	for _, n := range names {
		if was[n] != id[n] && !was.unrecorded(n, id[n]) {
			l = append(l, Change{n, was[n], id[n]})
		}
	}
	return l
}

// ChangedError says that a checkpoint belongs to a run with another identity.
type ChangedError struct {
	Path    string
	Changes []Change
	Unknown bool // the checkpoint does not say what its run depended on
}

func (e *ChangedError) Error() string {
	if e.Unknown {
		return e.Path + " was written by an older incc, which did not record the data, the engine and the spec of its run"
	}
	// Other images are another drawing of those for validation, too: one line says both.
	images := slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Name == "images" })
	var l []string
	for _, c := range e.Changes {
		if c.Name != "validation" || !images {
			l = append(l, c.String())
		}
	}
	return fmt.Sprintf("%s belongs to another run:\n   %s", e.Path, strings.Join(l, "\n   "))
}

// DigestPlaces is the SHA-256 of the numbers of images in a data set.
func DigestPlaces(places []int32) string {
	b := make([]byte, 0, 4*len(places))
	for _, i := range places {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// DigestData is the SHA-256 of the labels that a run trains on and validates with, and of
// the SHA-256 of each image, decoded and scaled. Files that hold the same images in
// another encoding, or under other names in the same order, have the same digest.
func DigestData(sets ...*data.Set) string {
	h := sha256.New()
	var buf [4096]byte
	for _, s := range sets {
		if s == nil {
			continue
		}
		head := buf[:0]
		for _, n := range []int{s.C, s.H, s.W, s.Classes, s.Len()} {
			head = binary.LittleEndian.AppendUint64(head, uint64(n))
		}
		h.Write(head)
		for labels := s.Labels; len(labels) > 0; {
			n := min(len(labels), len(buf)/4)
			for i, l := range labels[:n] {
				binary.LittleEndian.PutUint32(buf[4*i:], uint32(l))
			}
			h.Write(buf[:4*n])
			labels = labels[n:]
		}
		for i := range s.Len() {
			sum := s.Sum(i)
			h.Write(sum[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
