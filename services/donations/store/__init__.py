"""All of intake's SQL.

lane        one writer's connection and its transactions
gifts       a gift becomes a row: COPY, or staging where repeats are among them
links       which rail's report tells of which gift
facts       refunds, disputes and stages become rows
known       gifts' own rows, for what happens to them afterwards
positions   what is booked of that: moves
lives       all of that of one gift
batches     a batch, its outbox row, and how far streams are durable
claims      what conflicts with what is recorded
sealing     what is recorded besides gifts is sealed as it is written
reading     gifts, for those who ask
moment      what is recorded at one moment, for long readings
summary     batches added up again from their rows, for the audit
rederiving  what gifts' positions follow from, for the audit
proving     seals made again from the rows, for the audit
outbox      what the relay has to post
catalog     charities, projects, campaigns, partners
donors      sealed contacts, their tombstones, and who read them
pledges     merchants' pledges, and what their orders add up to
orders      orders become rows, and let their gifts pass once
conflicts   claims beside what stands
review      quarantined notices, and their replays
quarantine  notices that could not be verified or read
"""
