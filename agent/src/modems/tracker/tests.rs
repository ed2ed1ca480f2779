//! Scripts of what modems say, and the samples that they become.
