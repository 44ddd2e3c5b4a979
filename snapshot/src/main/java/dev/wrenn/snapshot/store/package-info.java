/** Where sealed bytes are kept away from this machine: object stores behind one seam. */
@org.jspecify.annotations.NullMarked
package dev.wrenn.snapshot.store;
