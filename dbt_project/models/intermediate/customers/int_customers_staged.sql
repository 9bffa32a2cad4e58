with

purchases as (
    select * from {{ ref('int_customers_purchased') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

rules as (
    select
        {{ rule_value('existing_from_purchases') }} as existing_from_purchases,
        {{ rule_value('dormant_after_intervals') }} as dormant_after_intervals,
        {{ rule_value('former_after_intervals') }} as former_after_intervals,
        {{ rule_value('shortest_interval_days') }} as shortest_interval_days,
        {{ rule_value('fallback_interval_days') }} as fallback_interval_days
    from {{ ref('lifecycle_rules') }}
),

typical as (
    select {{ median('purchase_interval_days') }} as median_interval_days
    from purchases
),

paced as (
    select
        purchases.customer_id,
        purchases.order_count,
        rules.existing_from_purchases,
        rules.dormant_after_intervals,
        rules.former_after_intervals,
        {{ dbt.datediff('purchases.last_ordered_on', 'settings.as_of', 'day') }}
            as days_since_last_order,
        greatest(
            cast(rules.shortest_interval_days as double),
            coalesce(
                purchases.purchase_interval_days,
                typical.median_interval_days,
                cast(rules.fallback_interval_days as double)
            )
        ) as expected_interval_days
    from purchases
    cross join settings
    cross join rules
    cross join typical
),

-- Rounded, so that exactly so many thirds of a day are not "longer" by a binary fraction.
judged as (
    select
        *,
        days_since_last_order > round(dormant_after_intervals * expected_interval_days, 6)
            as is_silent,
        days_since_last_order > round(former_after_intervals * expected_interval_days, 6) as is_gone
    from paced
),

final as (
    select
        customer_id,
        expected_interval_days,
        days_since_last_order,
        order_count >= existing_from_purchases as is_existing_customer,
        coalesce(is_silent, false) as is_dormant,
        case
            when order_count = 0 then 'prospect'
            when is_gone then 'former'
            when order_count >= existing_from_purchases then 'existing'
            else 'new'
        end as lifecycle
    from judged
)

select * from final
