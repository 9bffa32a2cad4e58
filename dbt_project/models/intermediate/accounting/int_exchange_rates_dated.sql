with

rates as (
    select * from {{ ref('exchange_rates') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

dated as (
    select
        currency,
        units_per_euro,
        valid_from,
        coalesce(
            lead(valid_from) over (partition by currency order by valid_from asc),
            cast('9999-12-31' as date)
        ) as valid_before
    from rates
),

reporting as (
    select dated.*
    from dated
    inner join settings on dated.currency = settings.reporting_currency
),

-- Through the euro: the rate of the reporting currency may change in the middle of another's.
final as (
    select
        dated.currency,
        greatest(dated.valid_from, reporting.valid_from) as valid_from,
        least(dated.valid_before, reporting.valid_before) as valid_before,
        cast(reporting.units_per_euro as double) / cast(dated.units_per_euro as double) as factor
    from dated
    inner join reporting
        on
            dated.valid_from < reporting.valid_before
            and dated.valid_before > reporting.valid_from
)

select * from final
