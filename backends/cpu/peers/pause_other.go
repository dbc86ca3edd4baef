//go:build !unix

package peers

// Pause does nothing where processes cannot be stopped.
func (p *Peer) Pause() error { return nil }

// Resume undoes Pause.
func (p *Peer) Resume() error { p.stopped = false; return nil }
