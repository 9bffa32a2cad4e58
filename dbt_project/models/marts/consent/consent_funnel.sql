with

events as (
    select * from {{ ref('stg_consent__events') }}
    where happened_at is not null
),

requests as (
    select distinct
        source,
        subject,
        record,
        purpose,
        happened_at as requested_at
    from events
    where event = 'requested' and record is not null
),

confirmations as (
    select distinct
        source,
        subject,
        record,
        purpose,
        happened_at as confirmed_at
    from events
    where event = 'confirmed' and record is not null
),

answered as (
    select
        requests.source,
        requests.subject,
        requests.requested_at,
        min(confirmations.confirmed_at) as confirmed_at
    from requests
    left join confirmations
        on
            requests.source = confirmations.source
            and requests.subject = confirmations.subject
            and requests.record = confirmations.record
            and requests.purpose = confirmations.purpose
            and requests.requested_at <= confirmations.confirmed_at
    group by
        requests.source, requests.subject, requests.record, requests.purpose, requests.requested_at
),

timed as (
    select
        *,
        extract(epoch from confirmed_at - requested_at) / 3600.0 as hours_to_confirm
    from answered
),

final as (
    select
        source,
        cast(date_trunc('month', requested_at) as date) as requested_month,
        count(*) as requested_count,
        count(confirmed_at) as confirmed_count,
        cast(count(confirmed_at) as double) / count(*) as confirmed_share,
        {{ median('hours_to_confirm') }} as median_hours_to_confirm
    from timed
    group by source, cast(date_trunc('month', requested_at) as date)
)

select * from final
