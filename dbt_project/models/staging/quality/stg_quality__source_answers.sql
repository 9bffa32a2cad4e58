with

source_answers as (
    select * from {{ source('raw_quality', 'source_answers') }}
),

final as (
    select
        source,
        run_id,
        run_at,
        question,
        score,
        figure,
        value,
        total,
        trend,
        priority
    from source_answers
)

select * from final
