/** Container images: pulled from a registry, merged into one file tree. */
@NullMarked
package dev.wrenn.host.oci;

import org.jspecify.annotations.NullMarked;
