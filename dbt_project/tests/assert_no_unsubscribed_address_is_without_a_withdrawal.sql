with

ends as (
    select
        source,
        contact_point,
        max(happened_at) as ended_at
    from {{ ref('int_consent_events_unioned') }}
    where event in ('withdrawn', 'objected', 'bounced')
    group by source, contact_point
),

final as (
    select subscriptions.subscription_id
    from {{ ref('int_newsletter_subscriptions_unioned') }} as subscriptions
    left join ends
        on
            subscriptions.source = ends.source
            and subscriptions.contact_point = ends.contact_point
    where
        subscriptions.status in ('unsubscribed', 'bounced')
        and (ends.ended_at is null or ends.ended_at < subscriptions.confirmed_at)
)

select * from final
