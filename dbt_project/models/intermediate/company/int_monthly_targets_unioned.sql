with

targets as (
    select * from {{ ref('stg_monthly_targets__targets') }}
),

measures as (
    select * from {{ ref('target_measures') }}
),

named as (
    select
        targets.*,
        coalesce(measures.measure, targets.measure) as known_measure
    from targets
    left join measures on targets.measure = {{ normalised_text('measures.spelling') }}
),

-- Revenue in a newer list is the same measure as Umsatz in an older one.
ranked as (
    select
        *,
        row_number() over (
            partition by month_starts_on, known_measure
            order by load_id desc, file_row desc
        ) as place
    from named
),

final as (
    select
        'monthly_targets' as source,
        month_starts_on,
        known_measure as measure,
        target_amount,
        actual_amount
    from ranked
    where place = 1
)

select * from final
