/** Root disks: reflink clones and the volume that holds them. */
@NullMarked
package dev.wrenn.disk;

import org.jspecify.annotations.NullMarked;
