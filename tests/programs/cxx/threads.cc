// Threads that throw and catch, and exceptions that travel between them. Prints one line.
#include <cstdio>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

int main()
{
	const int threads = 8, rounds = 200;
	std::exception_ptr carried[threads];
	std::vector<std::thread> pool;
	std::mutex lock;
	int sum = 0, caught = 0;

	for (int i = 0; i < threads; i++)
		pool.emplace_back([&, i] {
			for (int k = 0; k < rounds; k++) {
				try {
					if (k % 3 == 0)
						throw std::runtime_error("every third");
					std::lock_guard<std::mutex> g(lock);
					sum++;
				} catch (const std::exception &) {
					std::lock_guard<std::mutex> g(lock);
					sum += 2;
				}
			}
			try {
				throw std::logic_error("carried");
			} catch (...) {
				carried[i] = std::current_exception();
			}
		});
	for (auto &t : pool)
		t.join();
	for (auto &e : carried) {
		try {
			std::rethrow_exception(e);
		} catch (const std::logic_error &) {
			caught++;
		}
	}
	auto answer = std::async(std::launch::async, [] { return 42; });
	std::printf("sum %d, carried %d, async %d\n", sum, caught, answer.get());
	return sum == threads * (rounds + (rounds + 2) / 3) ? 0 : 1;
}
