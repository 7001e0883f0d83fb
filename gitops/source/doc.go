// Package source provides the files of one commit of an application repository as an [io/fs.FS], read from Git objects.
//
// Nothing is checked out and no git program runs. A commit is fetched with depth 1 and, where the server speaks protocol
// version 2 and allows filters, without file contents; these follow a folder at a time when they are read. Other servers
// send the whole commit. Everything that comes back is hashed, so a server cannot answer with another commit than asked.
//
// Repositories are hostile: URLs, packs, trees, symbolic links and sizes are checked, and each refusal is a typed error.
package source
